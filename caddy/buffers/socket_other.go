//go:build !linux

package buffers

import "errors"

// enlarge returns [errors.ErrUnsupported]: CAP_NET_ADMIN is Linux's.
func enlarge(int, int) (sizes, error) { return sizes{}, errors.ErrUnsupported }
