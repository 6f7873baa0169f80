//go:build !linux

package image

// replace moves from to to, where there may be a directory already.
func replace(from, to string) error { return moveAside(from, to) }
