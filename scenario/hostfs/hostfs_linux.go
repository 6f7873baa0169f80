// Package hostfs lets package lookup look programs up in a directory of this
// machine: its root, or the root file system of a container that lies below it.
package hostfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/internal/execfile"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/scenario"
)

// Files is the file system below a directory.
type Files struct{ root string }

var _ scenario.Files = Files{}

// New returns the file system below root; "/" is that of the machine.
func New(root string) Files { return Files{root} }

// Below returns the file system below a folder of this one, whose symbolic links
// mean files of this one on the way there.
func (f Files) Below(folder string) Files {
	_, outside, err := f.real(folder)
	if err != nil {
		outside = filepath.Join(f.root, folder) // in which nothing will be found
	}
	return Files{outside}
}

// String implements [scenario.Files].
func (f Files) String() string {
	if f.root == "/" {
		return "this machine"
	}
	return f.root
}

// real returns where the name lies on this machine, links followed.
func (f Files) real(name string) (inside, outside string, err error) {
	inside, err = scenario.FollowLinks(name, func(name string) (string, error) {
		target, err := os.Readlink(filepath.Join(f.root, name))
		if errors.Is(err, syscall.EINVAL) { // not a link
			return "", nil
		}
		return target, err
	})
	return inside, filepath.Join(f.root, inside), err
}

// Stat implements [scenario.Files].
func (f Files) Stat(name string) (scenario.FileInfo, error) {
	inside, outside, err := f.real(name)
	if err != nil {
		return scenario.FileInfo{}, err
	}
	info, err := os.Lstat(outside)
	if err != nil {
		return scenario.FileInfo{}, err
	}
	owner := info.Sys().(*syscall.Stat_t) // what Lstat returns on Linux
	file, err := execfile.Read(outside)
	if err != nil {
		return scenario.FileInfo{}, err
	}
	bits := scenario.FileOf(info.Mode(), owner.Uid, owner.Gid, nil)
	file.SetUID, file.SetGID, file.UID, file.GID = bits.SetUID, bits.SetGID, bits.UID, bits.GID
	return scenario.FileInfo{Path: inside, Mode: info.Mode(), File: file}, nil
}

// Program says whether a program raises its capabilities, from its file and the
// libraries that it is linked with. A file that the caller may not read is unknown.
func (f Files) Program(name string) (aware.Result, error) {
	_, outside, err := f.real(name)
	if err != nil {
		return aware.Result{}, err
	}
	file, err := plainfile.Open(outside)
	if errors.Is(err, fs.ErrPermission) {
		return aware.Result{Answer: aware.Unknown, Evidence: "its file cannot be read"}, nil
	}
	if err != nil {
		return aware.Result{}, err
	}
	defer func() { _ = file.Close() }() // opened for reading
	return aware.DetectIn(outside, file)
}

// Head implements [scenario.Files].
func (f Files) Head(name string, n int) (_ []byte, err error) {
	_, outside, err := f.real(name)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(outside); err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	file, err := plainfile.Open(outside)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil // may be executable all the same, and is no script then
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // opened for reading
	return io.ReadAll(io.LimitReader(file, int64(n)))
}
