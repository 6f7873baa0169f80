package sys

import "embed"

// Source holds the files of this package that are built into the standard
// library too, by package overlay. No program that does not use it has it.
//
//go:embed caps_linux.go raise_linux.go rebind_linux.go bind_linux.go bind_socketcall_linux.go demote_linux.go
//go:embed prctl_linux.go file_linux.go ioctl_linux.go ioctl_none1_linux.go
var Source embed.FS
