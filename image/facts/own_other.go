//go:build !unix

package facts

import "io/fs"

// own cannot tell on this system whose a folder is: a user's folder for caches is the
// user's.
func own(fs.FileInfo) bool { return true }

func ownOrRoots(info fs.FileInfo) bool { return info != nil }
