//go:build linux && !386 && !s390x

package kerneltest

import "syscall"

const bindNumber = syscall.SYS_BIND

var otherWays []string

func bindOtherwise(string, int, *syscall.RawSockaddrInet4) syscall.Errno { return syscall.ENOSYS }
