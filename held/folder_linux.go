package held

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/capwise/capwise/internal/sys"
)

// Folder is an open folder.
type Folder struct {
	fd      int
	path    string
	stat    syscall.Stat_t
	exposed string
	led     string
}

const (
	openPath   = sys.OPath | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	openToRead = syscall.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NOFOLLOW | syscall.O_CLOEXEC | syscall.O_NONBLOCK
)

// OpenFolder opens the folder at path, which may be relative. It follows symbolic
// links, one at a time. The error is an [*fs.PathError].
func OpenFolder(path string) (*Folder, error) {
	w, err := walkTo(path)
	if err != nil {
		return nil, err
	}
	if w.at.stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}, w.close())
	}
	if w.in != nil {
		return w.at, w.in.Close()
	}
	return w.at, nil
}

// Path is the folder's path from the root folder, without symbolic links: that
// which it had when it was opened.
func (d *Folder) Path() string { return d.path }

// Exposed returns the first folder on the way to this one, itself included, in
// which somebody else than root and the caller could have put, or can put, another
// thing under the name that was followed; "" if there is none.
func (d *Folder) Exposed() string { return d.exposed }

// Led returns the first symbolic link that was followed, or mount point that was
// crossed, in a folder where somebody else could have put it, in words: where it leads,
// he could have chosen. "" if there is none. Mount points show from Linux 5.6 on.
func (d *Folder) Led() string { return d.led }

// OthersCanAdd reports whether somebody else than root and the caller may put names
// into the folder, be it a sticky one.
func (d *Folder) OthersCanAdd() bool {
	return !trusted(d.stat.Uid) || d.stat.Mode&writableByOthers != 0
}

// Fd is its descriptor, which stays the folder's.
func (d *Folder) Fd() int { return d.fd }

// Device is the number of the file system that it lies in.
func (d *Folder) Device() uint64 { return d.stat.Dev }

// Close gives the descriptor back.
func (d *Folder) Close() error { return syscall.Close(d.fd) }

// Child opens a folder in this one, for reading. It follows no symbolic link.
func (d *Folder) Child(name string) (*Folder, error) {
	fd, crossed, err := sys.OpenMarking(d.fd, name, openToRead)
	if err != nil {
		return nil, d.failed("open", name, err)
	}
	return d.folderAt(fd, name, crossed)
}

// Reading opens the folder itself for reading.
func (d *Folder) Reading() (*Folder, error) { return d.again(openToRead) }

// again opens the folder itself once more.
func (d *Folder) again(flags int) (*Folder, error) {
	fd, _, err := sys.OpenMarking(d.fd, ".", flags)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.path, Err: err}
	}
	other := *d
	other.fd = fd
	return &other, nil
}

// folderAt makes a Folder of a descriptor of something in d, which may be mounted there.
func (d *Folder) folderAt(fd int, name string, crossed bool) (*Folder, error) {
	c := &Folder{fd: fd, path: filepath.Join(d.path, name)}
	if err := syscall.Fstat(fd, &c.stat); err != nil {
		return nil, errors.Join(d.failed("stat", name, err), syscall.Close(fd))
	}
	c.exposed, c.led = d.exposure(&c.stat), d.ledBy(c.path, crossed)
	return c, nil
}

// ledBy is [Folder.Led] for something in d, which may be mounted there.
func (d *Folder) ledBy(path string, crossed bool) string {
	if d.led == "" && crossed && (d.exposed != "" || d.OthersCanAdd()) {
		return path + " is a mount point"
	}
	return d.led
}

// exposure is what [Folder.Exposed] says of something in d that is now at a name
// there.
func (d *Folder) exposure(inside *syscall.Stat_t) string {
	if d.exposed == "" && d.othersCanSwap(inside) {
		return d.path
	}
	return d.exposed
}

// othersCanSwap reports whether somebody else than root and the caller may put
// another thing under the name: unlink(2), rename(2). In a sticky folder only those
// may to whom the folder or the thing belongs. An access control list shows in the
// permissions of the group. A user without a number in this user namespace shows as
// another one.
func (d *Folder) othersCanSwap(inside *syscall.Stat_t) bool {
	switch {
	case !trusted(d.stat.Uid):
		return true
	case d.stat.Mode&writableByOthers == 0:
		return false
	default:
		return d.stat.Mode&syscall.S_ISVTX == 0 || !trusted(inside.Uid)
	}
}

const writableByOthers = 0o022

// trusted reports whether a user is root or the caller.
func trusted(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

func (d *Folder) failed(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// walk is on its way to a path: in a folder, and at what has been found in it by
// name, which may be a file at the end.
type walk struct {
	in, at *Folder
	links  int
	asked  string
}

func (w *walk) close() error {
	err := w.at.Close()
	if w.in != nil {
		err = errors.Join(err, w.in.Close())
	}
	return err
}

// maxLinks is how many symbolic links the kernel follows, MAXSYMLINKS.
const maxLinks = 40

// maxPath is PATH_MAX.
const maxPath = 4096

// walkTo goes to what is at path.
func walkTo(path string) (*walk, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	w := &walk{asked: path}
	if err := w.start(); err != nil {
		return nil, err
	}
	if err := w.follow(abs); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// start goes to the root folder.
func (w *walk) start() error {
	fd, err := syscall.Open("/", openPath|syscall.O_DIRECTORY, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	root := &Folder{fd: fd, path: "/"}
	if err := syscall.Fstat(fd, &root.stat); err != nil {
		return errors.Join(&fs.PathError{Op: "stat", Path: "/", Err: err}, syscall.Close(fd))
	}
	if w.at != nil {
		root.exposed, root.led = w.at.exposed, w.at.led // a link led here
		if err := w.close(); err != nil {
			return errors.Join(err, root.Close())
		}
	}
	w.in, w.at = nil, root
	return nil
}

// follow goes on, name by name. What a link leads to comes before the rest.
func (w *walk) follow(path string) error {
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		if name == "" || name == "." {
			continue
		}
		link, err := w.step(name)
		if err != nil {
			return err
		}
		if link == "" {
			continue
		}
		if w.links++; w.links > maxLinks {
			return w.failed(syscall.ELOOP)
		}
		if path = link + "/" + path; len(path) > maxPath {
			return w.failed(syscall.ENAMETOOLONG)
		}
		if link[0] == '/' {
			if err := w.start(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) failed(err error) error { return &fs.PathError{Op: "open", Path: w.asked, Err: err} }

// step goes to one name, or returns what the symbolic link of that name leads to.
func (w *walk) step(name string) (link string, err error) {
	fd, crossed, err := sys.OpenMarking(w.at.fd, name, openPath)
	if err != nil {
		return "", w.failed(err)
	}
	next, err := w.at.folderAt(fd, name, crossed)
	if err != nil {
		return "", err
	}
	if next.stat.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		link, err = sys.ReadLink(fd)
		w.at.exposed = next.exposed // whatever it leads to
		if next.exposed != "" && w.at.led == "" {
			w.at.led = next.path + " is a symbolic link"
		}
		if err == nil && link == "" {
			err = syscall.ENOENT
		}
		if err != nil {
			return "", errors.Join(w.failed(err), next.Close())
		}
		return link, next.Close()
	}
	before := w.in
	w.in, w.at = w.at, next
	if before == nil {
		return "", nil
	}
	return "", before.Close()
}

// procName is the name of a descriptor as a file.
func procName(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
