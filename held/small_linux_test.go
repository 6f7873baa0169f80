package held_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/internal/need"
)

// descriptors is how many the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}

// TestNothingStaysOpen holds that each descriptor is given back, where all goes well and
// where it does not.
func TestNothingStaysOpen(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Mkdir(dir+"/in", 0o755), os.WriteFile(dir+"/in/file", nil, 0o644), os.WriteFile(dir+"/in/other", nil, 0o644),
		os.Symlink("in/../in/file", dir+"/link"), os.Symlink(dir+"/in", dir+"/absolute"), os.Symlink("nothing", dir+"/dangling"))
	// What files are closed by themselves must not count.
	runtime.GC()
	before := descriptors(t)
	for _, path := range []string{"in/file", "link", "absolute/file"} {
		f, err := held.Open(dir + "/" + path)
		check(t, err)
		_, err = f.Beside("other")
		check(t, err)
		for range 2 {
			_, err = f.Content()
			check(t, err)
		}
		_, err = f.OtherNames("other", "file")
		check(t, err, f.Still(), f.Folder().Sync())
		_, err = f.Folder().Names()
		check(t, err)
		if _, err := f.Beside("nothing"); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		check(t, f.Close())
	}
	for _, path := range []string{"in", "in/nothing", "in/file/below", "dangling", "link/below"} {
		if _, err := held.Open(dir + "/" + path); err == nil {
			t.Errorf("%s opens", path)
		}
	}
	for _, path := range []string{"/", dir, dir + "/absolute"} {
		d, err := held.OpenFolder(path)
		check(t, err)
		if _, err := d.Child("nothing"); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		check(t, d.Close())
	}
	if _, err := held.OpenFolder(dir + "/in/file"); err == nil {
		t.Error("a file opens as a folder")
	}
	if now := descriptors(t); now != before {
		t.Errorf("%d descriptors are open, %d were", now, before)
	}
}

// TestPaths holds by which names a file goes, and how far links are followed.
func TestPaths(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Mkdir(dir+"/in", 0o755), os.WriteFile(dir+"/in/file", nil, 0o644), os.Symlink("in", dir+"/0"))
	for i := range 41 {
		check(t, os.Symlink(fmt.Sprint(i), fmt.Sprint(dir, "/", i+1)))
	}
	f, err := held.Open(dir + "/39/file") // through 40
	check(t, err)
	if f.Path != dir+"/39/file" || f.RealPath() != dir+"/in/file" || f.Name() != "file" || f.Folder().Path() != dir+"/in" {
		t.Errorf("%q, %q, %q", f.Path, f.RealPath(), f.Name())
	}
	if a, err := f.Attribute(); a != nil || err != nil {
		t.Errorf("no attribute: %q, %v", a, err)
	}
	check(t, f.Rename("moved"), f.Still(), f.Rename("file"), f.Close())
	if _, err := held.Open(dir + "/40/file"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("through 41 links: %v", err)
	}
	// What a link leads to and what is left are 4096 bytes, and one more.
	leads := func(bytes int) string { return "./" + strings.Repeat("/", bytes-len("./in/file")) + "in" }
	check(t, os.Symlink(leads(4096), dir+"/long"), os.Symlink(leads(4097), dir+"/longer"))
	f, err = held.Open(dir + "/long/file")
	check(t, err, f.Close())
	if _, err := held.Open(dir + "/longer/file"); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("too long: %v", err)
	}
}

// TestLed holds that of the links in folders of others the first is named.
func TestLed(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	check(t, os.Mkdir(dir+"/u", 0o755), os.Mkdir(dir+"/in", 0o755), os.WriteFile(dir+"/in/file", nil, 0o644),
		os.Symlink("two", dir+"/u/one"), os.Symlink("../in", dir+"/u/two"), os.Symlink("u/one", dir+"/ours"), os.Chown(dir+"/u", 7, 0))
	for path, want := range map[string]string{"u/one": dir + "/u/one is a symbolic link", "u/two": dir + "/u/two is a symbolic link", "ours": dir + "/u/one is a symbolic link", "in": ""} {
		f, err := held.Open(dir + "/" + path + "/./file")
		check(t, err)
		if got := f.Folder().Led(); got != want {
			t.Errorf("%s: by %q, want %q", path, got, want)
		}
		check(t, f.Close())
	}
}

// TestOthers holds who counts as another: for root everybody else, and for a user
// everybody but root and himself. It runs itself as that user.
func TestOthers(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	for name, is := range map[string]struct {
		uid  int
		mode os.FileMode
	}{"root's": {0, 0o755}, "seven's": {7, 0o755}, "eight's": {8, 0o755}, "anybody's": {0, 0o777}, "group's": {0, 0o775}} {
		path := dir + "/" + name
		check(t, os.WriteFile(path, nil, 0o644), os.Chown(path, is.uid, 0), os.Chmod(path, is.mode), os.Mkdir(path+" folder", 0o755),
			os.Chown(path+" folder", is.uid, 0), os.Chmod(path+" folder", is.mode|os.ModeSticky))
	}
	for name, want := range map[string]bool{"root's": false, "seven's": true, "eight's": true, "anybody's": true, "group's": true} {
		f, err := held.Open(dir + "/" + name)
		check(t, err)
		d, err := held.OpenFolder(dir + "/" + name + " folder")
		check(t, err)
		if f.OthersCanWrite() != want || d.OthersCanAdd() != want {
			t.Errorf("%s: others can write %t, add %t", name, f.OthersCanWrite(), d.OthersCanAdd())
		}
		check(t, f.Close(), d.Close())
	}
	out, err := asSeven(t, dir).CombinedOutput()
	if err != nil {
		t.Errorf("as user 7: %v\n%s", err, out)
	}
}

// asSeven runs TestOthersForUser as a user.
func asSeven(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	for d := dir; d != "/" && d != "/tmp"; d = d[:strings.LastIndex(d, "/")] {
		check(t, os.Chmod(d, 0o755))
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestOthersForUser$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "CAPWISE_HELD_OTHERS="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 7, Gid: 7}}
	return cmd
}

// TestOthersForUser is the other half of TestOthers.
func TestOthersForUser(t *testing.T) {
	dir := os.Getenv("CAPWISE_HELD_OTHERS")
	if dir == "" {
		return
	}
	for name, want := range map[string]bool{"root's": false, "seven's": false, "eight's": true} {
		f, err := held.Open(dir + "/" + name)
		check(t, err)
		if f.OthersCanWrite() != want {
			t.Errorf("%s: others can write %t", name, f.OthersCanWrite())
		}
		check(t, f.Close())
	}
}

// TestTwoDisks holds that files of one number on two file systems are two, and what a
// file system without attributes says.
func TestTwoDisks(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	check(t, os.Mkdir(dir+"/a", 0o755), os.Mkdir(dir+"/b", 0o755))
	done := make(chan error)
	go func() { // on a thread with mounts of its own, which ends
		done <- func() error {
			runtime.LockOSThread()
			err := errors.Join(syscall.Unshare(syscall.CLONE_NEWNS), syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
			var files [2]*held.File
			for i, on := range []string{dir + "/a", dir + "/b"} {
				if err == nil {
					err = errors.Join(syscall.Mount("none", on, "tmpfs", 0, ""), os.WriteFile(on+"/file", nil, 0o644))
				}
				if err == nil {
					files[i], err = held.Open(on + "/file")
				}
			}
			if err != nil {
				return err
			}
			defer files[0].Close()
			defer files[1].Close()
			if files[0].Same(files[1]) {
				return errors.New("they are the same")
			}
			return nil
		}()
	}()
	check(t, <-done)
	f, err := held.Open("/proc/version")
	check(t, err)
	if a, err := f.Attribute(); a != nil || err != nil {
		t.Errorf("%q, %v", a, err)
	}
	check(t, f.Close())
	d, err := held.OpenFolder(t.TempDir())
	check(t, err)
	if names, err := d.Names(); err != nil || len(names) > 0 {
		t.Errorf("an empty folder: %q, %v", names, err)
	}
	check(t, d.Close())
}

// TestLedByMount holds that a mount point in a folder of others is named, of folders
// and of files, and none in one of root's.
func TestLedByMount(t *testing.T) {
	need.Root(t)
	done := make(chan error)
	go func() { // on a thread with mounts of its own, which ends
		done <- func() error {
			runtime.LockOSThread()
			if err := errors.Join(syscall.Unshare(syscall.CLONE_NEWNS), syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")); err != nil {
				return err
			}
			dir := t.TempDir()
			err := errors.Join(os.MkdirAll(dir+"/u/m", 0o755), os.MkdirAll(dir+"/r/m", 0o755), os.Mkdir(dir+"/sys", 0o755), os.WriteFile(dir+"/sys/file", nil, 0o644),
				os.WriteFile(dir+"/u/f", nil, 0o644), os.Chown(dir+"/u", 7, 0),
				syscall.Mount(dir+"/sys", dir+"/u/m", "", syscall.MS_BIND, ""), syscall.Mount(dir+"/sys", dir+"/r/m", "", syscall.MS_BIND, ""),
				syscall.Mount(dir+"/sys/file", dir+"/u/f", "", syscall.MS_BIND, ""))
			for path, want := range map[string]string{"u/m/file": dir + "/u/m is a mount point", "u/f": dir + "/u/f is a mount point", "r/m/file": ""} {
				f, errOpen := held.Open(dir + "/" + path)
				if errOpen != nil {
					return errors.Join(err, errOpen)
				}
				if got := f.Folder().Led(); got != want {
					err = errors.Join(err, fmt.Errorf("%s: led by %q, want %q", path, got, want))
				}
				err = errors.Join(err, f.Close())
			}
			return errors.Join(err, syscall.Unmount(dir+"/u/f", 0), syscall.Unmount(dir+"/u/m", 0), syscall.Unmount(dir+"/r/m", 0))
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
