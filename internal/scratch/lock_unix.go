//go:build unix && !aix && !solaris

package scratch

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/capwise/capwise/internal/plainfile"
)

// endings are the signals that ask a program to end.
var endings = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// end ends the process by the signal. Process 1 of a container is not ended by
// it, and exits as a shell would say it.
func end(s os.Signal) {
	number := s.(syscall.Signal)
	_ = syscall.Kill(syscall.Getpid(), number)
	time.Sleep(time.Second)
	os.Exit(128 + int(number))
}

// TryLock locks an open file or folder (flock(2)) for this process alone, and
// reports whether it could. File systems that know no locks say yes.
func TryLock(f *os.File) bool { return flock(f, syscall.LOCK_EX) }

// TryShare is [TryLock] for who only reads.
func TryShare(f *os.File) bool { return flock(f, syscall.LOCK_SH) }

func flock(f *os.File, how int) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	locked := true
	err = raw.Control(func(fd uintptr) {
		for {
			err := syscall.Flock(int(fd), how|syscall.LOCK_NB)
			if !errors.Is(err, syscall.EINTR) {
				locked = !errors.Is(err, syscall.EWOULDBLOCK)
				return
			}
		}
	})
	return err == nil && locked
}

// Sweep removes what a run that was killed left in a folder: files and folders
// of the caller whose names are ours, which nobody has locked. It does so only
// where nobody else could have put a name there, and follows no link.
func Sweep(dir string, ours func(name string) bool) {
	root, err := plainfile.OpenRoot(dir)
	if err != nil {
		return // who wants to write there will say so
	}
	defer func() { _ = root.Close() }()
	if info, err := root.Stat("."); err != nil || !trusted(info) {
		return
	}
	folder, err := root.Open(".")
	if err != nil {
		return
	}
	defer func() { _ = folder.Close() }()
	for {
		names, err := folder.Readdirnames(1000)
		for _, name := range names {
			if ours(name) {
				sweep(root, name)
			}
		}
		if err != nil {
			return
		}
	}
}

func sweep(root *os.Root, name string) {
	before, err := root.Lstat(name)
	if err != nil || !own(before) || !before.IsDir() && !before.Mode().IsRegular() {
		return
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }() // gives the lock back, too
	if is, err := f.Stat(); err != nil || !os.SameFile(before, is) || !TryLock(f) {
		return
	}
	if now, err := root.Lstat(name); err == nil && os.SameFile(before, now) {
		_ = root.RemoveAll(name) // if it can't be, it stays for another time
	}
}

// own reports whether a file is the caller's.
func own(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// trusted reports whether names in a folder are put there, moved and removed by
// root and the caller alone; in one with the sticky bit, each its own.
func trusted(info fs.FileInfo) bool {
	const others = 0o022
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == 0 || int(st.Uid) == os.Geteuid()) &&
		(info.Mode()&others == 0 || info.Mode()&fs.ModeSticky != 0)
}
