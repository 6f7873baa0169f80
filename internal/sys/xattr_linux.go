package sys

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"
	"unsafe"
)

// ListsCapability reports whether the file carries security.capability,
// llistxattr(2). name is relative to the calling thread's working directory and
// ends in a zero byte, as getdents64(2) has it; buf is for the names. A symbolic
// link is not followed. Listing costs half as much as asking for the attribute,
// which few files have.
func ListsCapability(name, buf []byte) (bool, error) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_LLISTXATTR, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		switch errno {
		case 0:
			return n > 0 && bytes.Contains(buf[:n], []byte(CapabilityXattr+"\x00")), nil
		case syscall.ENOTSUP:
			return false, nil
		case syscall.ERANGE: // more names than fit: the answer is for the one who asks
			return true, nil
		case syscall.EINTR:
		default:
			return false, errno
		}
	}
}

// GetCapability returns the raw attribute of a file like [ListsCapability] names
// it, lgetxattr(2); nil where it has none.
func GetCapability(name []byte) ([]byte, error) {
	attribute := append([]byte(CapabilityXattr), 0)
	buf := make([]byte, 64) // the longest revision has 24
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_LGETXATTR, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&attribute[0])),
			uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0)
		switch errno {
		case 0:
			return buf[:n], nil
		case syscall.ENODATA, syscall.ENOTSUP:
			return nil, nil
		case syscall.EINTR:
		default:
			return nil, errno
		}
	}
}

// Dirent is an entry of a directory, getdents64(2).
type Dirent struct {
	Type byte   // DT_REG and so on
	Name []byte // ends in a zero byte
}

// NextDirent cuts the first entry off what getdents64(2) returned.
func NextDirent(buf []byte) (d Dirent, rest []byte, err error) {
	const fixed = 19 // d_ino, d_off, d_reclen, d_type
	if len(buf) < fixed+1 {
		return Dirent{}, nil, errors.New("getdents64: a truncated entry")
	}
	length := int(binary.NativeEndian.Uint16(buf[16:]))
	if length < fixed+1 || length > len(buf) {
		return Dirent{}, nil, errors.New("getdents64: malformed entry")
	}
	name := buf[fixed:length]
	end := bytes.IndexByte(name, 0)
	if end < 0 {
		return Dirent{}, nil, errors.New("getdents64: a name without end")
	}
	return Dirent{Type: buf[18], Name: name[:end+1]}, buf[length:], nil
}

// OwnDirectory gives the calling thread, to which its goroutine is locked, a
// working directory of its own, unshare(2) CLONE_FS.
func OwnDirectory() error { return syscall.Unshare(syscall.CLONE_FS) }
