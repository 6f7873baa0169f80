package kerneltest

import (
	"runtime"
	"syscall"
	"unsafe"
)

// Exchange swaps what two names lead to, at once: renameat2(2) RENAME_EXCHANGE.
func Exchange(a, b string) error {
	number, ok := map[string]uintptr{"amd64": 316, "arm64": 276, "riscv64": 276}[runtime.GOARCH]
	if !ok {
		return syscall.ENOSYS
	}
	from, err := syscall.BytePtrFromString(a)
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(b)
	if err != nil {
		return err
	}
	const exchange = 1 << 1 // RENAME_EXCHANGE
	cwd := -100             // AT_FDCWD
	_, _, errno := syscall.Syscall6(number, uintptr(cwd), uintptr(unsafe.Pointer(from)), uintptr(cwd), uintptr(unsafe.Pointer(to)), exchange, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
