package scan

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/internal/sys"
)

// Walk goes through the tree. The error is about root itself; a symbolic link is
// followed there, and nowhere below. When Walk returns, nothing of the tree is in use.
func (t *Tree) Walk(root string) error {
	above, err := held.OpenFolder(root)
	if err != nil {
		return err
	}
	top, err := above.Reading()
	if err = errors.Join(err, above.Close()); err != nil {
		return err
	}
	workers := t.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	// A directory that is offered here is taken by a worker that has nothing to
	// do; while there is none, whoever found it goes on with it.
	work := make(chan directory, workers)
	events := make(chan event, workers)
	var pending, done sync.WaitGroup
	pending.Add(1)
	work <- directory{top, root}
	for range workers {
		done.Add(1)
		go func() {
			defer done.Done()
			w := walker{tree: t, work: work, events: events, pending: &pending, at: none}
			w.run()
		}()
	}
	go func() {
		pending.Wait()
		close(work)
		done.Wait()
		close(events)
	}()
	// The walkers have other working directories than the caller.
	for e := range events {
		if e.err != nil {
			t.Failed(e.path, e.err)
			continue
		}
		t.Found(e.file)
		_ = e.file.Close() // opened for reading
	}
	return nil
}

// event is something that a walker tells.
type event struct {
	file *held.File
	path string
	err  error
}

// directory is one that is open and not read yet, and the path that it was found by.
type directory struct {
	*held.Folder
	path string
}

// walker is one thread's part of the walk.
type walker struct {
	tree    *Tree
	work    chan directory
	events  chan<- event
	pending *sync.WaitGroup
	names   [4096]byte // of attributes
	at      int        // the descriptor of the thread's working directory
}

func (w *walker) failed(path string, err error) { w.events <- event{path: path, err: err} }

// run walks what it gets, on a thread with a working directory of its own, which
// ends with it.
func (w *walker) run() {
	runtime.LockOSThread() // never unlocked
	if err := sys.OwnDirectory(); err != nil {
		for d := range w.work { // as if it could not be read
			w.failed(d.path, err)
			_ = d.Close() // opened for reading
			w.pending.Done()
		}
		return
	}
	// A thread ends some time after its goroutine, and until then its working
	// directory is in use: who unmounts the tree after Walk would be refused.
	defer func() { _ = syscall.Chdir("/") }()
	for d := range w.work {
		w.directory(d)
		w.pending.Done()
	}
}

// buffers holds memory for directory entries, one for each level of each walker.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// directory reads one and what is below it, and closes it.
func (w *walker) directory(d directory) {
	defer func() {
		if w.at == d.Fd() { // a number that another directory may get
			w.at = none
		}
		_ = d.Close() // opened for reading
	}()
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := syscall.ReadDirent(d.Fd(), buf[:])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			w.failed(d.path, err)
		}
		if n <= 0 {
			return
		}
		if err := w.entries(d, buf[:n]); err != nil {
			w.failed(d.path, err)
			return
		}
	}
}

func (w *walker) entries(d directory, rest []byte) error {
	files := int64(0)
	defer func() { w.tree.Files.Add(files) }()
	for len(rest) > 0 {
		var e sys.Dirent
		var err error
		if e, rest, err = sys.NextDirent(rest); err != nil {
			return err
		}
		name := e.Name[:len(e.Name)-1]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		switch w.typeOf(d, e) {
		case syscall.DT_REG:
			files++
			if err := w.enter(d); err != nil {
				return err
			}
			w.file(d, e.Name)
		case syscall.DT_DIR:
			if err := w.child(d, string(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// typeOf asks for the type where the file system does not list it.
func (w *walker) typeOf(d directory, e sys.Dirent) byte {
	if e.Type != syscall.DT_UNKNOWN {
		return e.Type
	}
	var st syscall.Stat_t
	err := w.enter(d)
	if err == nil {
		err = syscall.Lstat(string(e.Name[:len(e.Name)-1]), &st)
	}
	if err != nil {
		w.failed(filepath.Join(d.path, string(e.Name[:len(e.Name)-1])), err)
		return syscall.DT_UNKNOWN
	}
	return byte(st.Mode >> 12 & 0xf) // IFTODT of <dirent.h>
}

func (w *walker) file(d directory, name []byte) {
	has, err := sys.ListsCapability(name, w.names[:])
	if err == nil && !has {
		return
	}
	path := filepath.Join(d.path, string(name[:len(name)-1]))
	var file *held.File
	if err == nil {
		file, err = d.Open(string(name[:len(name)-1]))
	}
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, held.ErrNotRegular): // removed meanwhile
	case err != nil:
		w.failed(path, cause(err))
	default:
		file.Path = path
		w.events <- event{file: file}
	}
}

// cause takes the path off an error, which is said already.
func cause(err error) error {
	if named := new(fs.PathError); errors.As(err, &named) {
		return named.Err
	}
	return err
}

// child goes on with a directory below, or leaves it to another worker.
func (w *walker) child(d directory, name string) error {
	path := filepath.Join(d.path, name)
	below, err := d.Child(name)
	if err != nil {
		if !errors.Is(err, syscall.ENOENT) {
			w.failed(path, cause(err))
		}
		return nil
	}
	if below.Device() != d.Device() && (w.tree.OneFileSystem || holdsNoFiles(below.Fd())) {
		return below.Close()
	}
	c := directory{below, path}
	w.pending.Add(1)
	select {
	case w.work <- c:
		return nil
	default:
	}
	w.directory(c)
	w.pending.Done()
	return nil
}

// none is no directory.
const none = -1

// enter makes the directory the thread's working directory.
func (w *walker) enter(d directory) error {
	if w.at == d.Fd() {
		return nil
	}
	w.at = none
	err := syscall.Fchdir(d.Fd())
	if err == nil {
		w.at = d.Fd()
	}
	return err
}

// noFiles is the magic numbers of file systems whose files are not programs
// (<linux/magic.h>).
var noFiles = map[uint32]bool{
	0x9fa0: true, 0x62656572: true, 0x27e0eb: true, 0x63677270: true, 0x1cd1: true, 0x0187: true, 0x64626720: true,
	0x74726163: true, 0xcafe4a11: true, 0x73636673: true, 0x6165676c: true, 0x19800202: true, 0xde5e81e4: true, 0x62656570: true,
}

// holdsNoFiles reports whether the directory is the root of such a file system.
func holdsNoFiles(fd int) bool {
	var st syscall.Statfs_t
	return syscall.Fstatfs(fd, &st) == nil && noFiles[uint32(st.Type)]
}

// About returns about how many files there are below the directory: those of its
// file system, if it is the root of that, and else 0, for not known.
func About(dir string) int64 {
	var own, above syscall.Stat_t
	var fs syscall.Statfs_t
	if syscall.Stat(dir, &own) != nil || syscall.Stat(filepath.Join(dir, ".."), &above) != nil || syscall.Statfs(dir, &fs) != nil {
		return 0
	}
	if own.Dev == above.Dev && own.Ino != above.Ino { // above the root of all is itself
		return 0
	}
	return int64(fs.Files - fs.Ffree)
}
