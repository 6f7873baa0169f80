package sys

import (
	"errors"
	"runtime"
	"syscall"
	"unsafe"
)

// openHow is struct open_how of openat2(2).
type openHow struct{ flags, mode, resolve uint64 }

const resolveNoXdev = 0x01 // RESOLVE_NO_XDEV

// openat2Numbers is the numbers of openat2(2), which is 437 elsewhere.
var openat2Numbers = map[string]uintptr{"mips": 4437, "mipsle": 4437, "mips64": 5437, "mips64le": 5437}

// OpenMarking opens a name in a folder, without creating it, and reports whether a
// mount point was crossed: openat2(2) with RESOLVE_NO_XDEV, then openat(2). Before
// Linux 5.6, and where a filter refuses openat2, it does not tell.
func OpenMarking(dir int, name string, flags int) (fd int, crossed bool, err error) {
	number, ok := openat2Numbers[runtime.GOARCH]
	if !ok {
		number = 437
	}
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return -1, false, err
	}
	how := openHow{flags: uint64(flags), resolve: resolveNoXdev}
	fd, err = ignoringEINTR(func() (int, error) {
		r, _, errno := syscall.Syscall6(number, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		return int(r), errnoOrNil(errno)
	})
	switch {
	case err == nil:
		return fd, false, nil
	case errors.Is(err, syscall.EXDEV):
		crossed = true
	case !errors.Is(err, syscall.ENOSYS) && !errors.Is(err, syscall.EPERM):
		return -1, false, err
	}
	fd, err = ignoringEINTR(func() (int, error) { return syscall.Openat(dir, name, flags, 0) })
	return fd, crossed, err
}
