//go:build linux

package plainfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/internal/limit"
)

// TestOpen holds which files are opened, by their name and below a root (S11).
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("plain"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for name, to := range map[string]string{"link": "plain", "tofifo": "fifo", "tonull": "/dev/null", "tozero": "/dev/zero"} {
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, says := range map[string]string{
		"plain": "", "link": "", "fifo": "not a FIFO", "tofifo": "not a FIFO", "tozero": "not a device", "tonull": "not a device", "socket": "not a socket",
		".": "not a directory", "none": "no such file",
	} {
		for _, open := range []func() (*os.File, error){
			func() (*os.File, error) { return Open(at(name)) },
			func() (*os.File, error) { return OpenGiven(at(name)) },
			func() (*os.File, error) { return OpenIn(root, name) },
		} {
			f, err := open()
			if says == "" {
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if text, err := io.ReadAll(f); err != nil || string(text) != "text" {
					t.Errorf("%s: %q, %v", name, text, err)
				}
				_ = f.Close()
				continue
			}
			outside := strings.HasPrefix(name, "to") && err != nil && strings.Contains(err.Error(), "escapes")
			if err == nil || !outside && !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want %q", name, err, says)
			}
		}
	}
	if _, err := Open(at("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestOpenGiven holds that a pipe that the process has is read, by a number.
func TestOpenGiven(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("text"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // the writer is gone before it is opened
		t.Fatal(err)
	}
	if data, err := Read(fmt.Sprintf("/dev/fd/%d", r.Fd()), limit.Source); err != nil || string(data) != "text" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := Read("/dev/fd/999999", limit.Source); err == nil {
		t.Error("a number that is not open")
	}
}

// TestOpenRoot holds that what is no folder is not waited for, and that a folder is
// opened as itself.
func TestOpenRoot(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot(fifo); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a FIFO: %v", err)
	}
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := root.Lstat("fifo"); err != nil {
		t.Error(err)
	}
}
