//go:build linux && !(ppc64 || ppc64le || mips || mipsle || mips64 || mips64le || sparc64)

package sys

// ioNone is the direction "none" of an ioctl number, _IOC_NONE of
// <asm/ioctl.h>, already shifted to its place.
const ioNone = 0
