//go:build !unix || solaris

package capabilities

import "syscall"

// reusePort does nothing where there is no such option.
func reusePort(_, _ string, _ syscall.RawConn) error { return nil }
