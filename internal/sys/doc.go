// Package sys is the one door to raw system calls: no other package of this
// module calls syscall.RawSyscall or imports unsafe (a test holds it so).
// Its functions add nothing to the kernel's answer; each names its man page.
package sys
