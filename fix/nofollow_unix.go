//go:build unix

package fix

import "syscall"

// noFollow makes opening a symbolic link fail, and a FIFO return at once.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
