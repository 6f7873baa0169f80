// Package trial starts a program for real, on this kernel, with the credentials
// that a scenario describes, so that what the law says can be compared with what
// the kernel does. In the place of each program it starts a copy of the calling
// one, which needs to call [Main] first thing: the copy reports what it is, and
// which of the addresses it may bind.
//
// Everything happens in namespaces and a folder of the trial's own, and is gone
// afterwards.
package trial

import (
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

// Spec is what to try.
type Spec struct {
	// Task is the credentials before the first execve(2). Its ids must be the
	// same for all purposes.
	Task law.Task
	// Chain is the files, of which each executes the next.
	Chain []File
	// Nosuid puts the files on a mount with nosuid.
	Nosuid bool
	// PortStart is ip_unprivileged_port_start of the network namespace.
	PortStart int
	// ForeignNetwork lets another user namespace own the network namespace.
	ForeignNetwork bool
	// Aware lets the last program raise what it is permitted.
	Aware   bool
	Listens []Listen
}

// File is one file of the chain.
type File struct {
	// Caps is the bytes of its attribute security.capability; nil for none.
	Caps []byte
	// UID is set where the program before changed to another user first.
	UID *uint32
}

// Listen is an address to bind.
type Listen struct{ Network, Address string }

// Result is what the kernel made of it.
type Result struct {
	// Failed is the execve(2) of the chain that failed, from 0, or -1.
	Failed int
	Errno  string // its errno, "EPERM"
	// Sets and the following fields are those of the last program.
	Sets       cred.Sets
	NoNewPrivs bool
	Dumpable   int
	// Binds holds the errno of each bind, "" for success.
	Binds []string
}
