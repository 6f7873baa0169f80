//go:build injected && !386

package injected

import "syscall"

// sysBind is the number of bind(2).
const sysBind = syscall.SYS_BIND
