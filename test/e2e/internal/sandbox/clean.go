package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Sandboxes have their folders here.
const (
	parent = "/var/lib"
	prefix = "capwise-e2e-"
)

// hold locks a sandbox's folder for as long as its guard lives.
func hold(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// sweep removes what is left of sandboxes whose guard was killed.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(parent, prefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		lock, err := hold(dir)
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue // its guard lives
		}
		if err != nil {
			return err
		}
		if err := errors.Join(remove(dir), lock.Close()); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the folder of a sandbox without processes, and its cgroups.
func remove(dir string) error {
	return errors.Join(removeCgroups(filepath.Base(dir)), os.Remove(dir))
}

// removeCgroups removes the cgroups called name in every hierarchy. Their
// processes are dead, so only empty directories are left.
func removeCgroups(name string) error {
	tops, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
	if err != nil {
		return err
	}
	var errs []error
	for _, top := range append(tops, filepath.Join("/sys/fs/cgroup", name)) {
		errs = append(errs, removeTree(top))
	}
	return errors.Join(errs...)
}

// removeTree removes a cgroup, children first. Its files need no removing.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}
