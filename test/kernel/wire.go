package kernelcheck

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
	"github.com/capwise/capwise/law"
)

// The records that the agent understands; agent/src/state.h and agent.c declare
// the same. Their integers are in the machine's order.

// creds is what a thread can be wished to be, and is.
type creds struct {
	Permitted, Effective, Inheritable, Ambient, Bounding uint64

	UID, GID               [4]uint32 // real, effective, saved, file system
	NGroups                uint32
	Groups                 [3]uint32
	Securebits, NoNewPrivs uint32
}

// state is creds and what execve(2) decides besides.
type state struct {
	Creds                       creds
	Secure, Dumpable, Pdeathsig uint32
	LastCap                     uint32
}

// op is what a child is asked to do once it is what was wished.
type op uint8

const (
	opExecute op = iota
	opSetresuid
	opBind
	opMakeAmbient
	opEnterUserns
)

// wish is a starting point. Each argument that follows it is one case.
type wish struct {
	Creds     creds
	Op        op
	Tracer    law.Tracer
	SharedFS  bool
	Pdeathsig uint8
	NArgs     uint32
}

// maxArgs is how many cases the agent takes at once.
const maxArgs = 4096

// arg is what an operation is about, in the layout that the operation has.
type arg [16]byte

func numbers(n ...uint32) (a arg) {
	for i, v := range n {
		binary.NativeEndian.PutUint32(a[4*i:], v)
	}
	return a
}

type status uint32

// Others say that the kernel let no child become what was wished (REFUSED of
// agent.c), or that the child became something else (DIFFERS).
const (
	// compare: before and after are worth comparing.
	compare status = 0
	// broken: the program was executed and reported nothing.
	broken status = 3
)

// reply is the kernel's answer to one case.
type reply struct {
	Status        status
	Errno         uint32
	Before, After state
}

var replySize = binary.Size(reply{})

// send writes a wish and its arguments.
func send(w io.Writer, start wish, args []arg) error {
	start.NArgs = uint32(len(args))
	record, err := binary.Append(make([]byte, 0, 128+len(args)*len(arg{})), binary.NativeEndian, start)
	if err != nil {
		return err
	}
	for _, a := range args {
		record = append(record, a[:]...)
	}
	_, err = w.Write(record)
	return err
}

// receive reads one reply through the buffer, which has its size.
func receive(r io.Reader, buffer []byte, into *reply) error {
	if _, err := io.ReadFull(r, buffer); err != nil {
		return fmt.Errorf("the agent ended: %w", err)
	}
	_, err := binary.Decode(buffer, binary.NativeEndian, into)
	return err
}

// task is the law's view of the credentials.
func (c *creds) task() law.Task {
	return law.Task{
		Sets: cred.Sets{
			Permitted: capset.Set(c.Permitted), Effective: capset.Set(c.Effective),
			Inheritable: capset.Set(c.Inheritable), Ambient: capset.Set(c.Ambient),
			Bounding: capset.Set(c.Bounding),
		},
		UID: ids(c.UID), GID: ids(c.GID),
		Groups:     c.Groups[:min(int(c.NGroups), len(c.Groups))],
		Securebits: cred.Securebits(c.Securebits),
		NoNewPrivs: c.NoNewPrivs == 1,
	}
}

// credsOf is the reverse of task.
func credsOf(t law.Task) creds {
	c := creds{
		Permitted: uint64(t.Permitted), Effective: uint64(t.Effective),
		Inheritable: uint64(t.Inheritable), Ambient: uint64(t.Ambient),
		Bounding: uint64(t.Bounding),
		UID:      [4]uint32{t.UID.Real, t.UID.Effective, t.UID.Saved, t.UID.FileSystem},
		GID:      [4]uint32{t.GID.Real, t.GID.Effective, t.GID.Saved, t.GID.FileSystem},
		NGroups:  uint32(len(t.Groups)), Securebits: uint32(t.Securebits),
	}
	copy(c.Groups[:], t.Groups)
	if t.NoNewPrivs {
		c.NoNewPrivs = 1
	}
	return c
}

func ids(n [4]uint32) cred.IDs {
	return cred.IDs{Real: n[0], Effective: n[1], Saved: n[2], FileSystem: n[3]}
}
