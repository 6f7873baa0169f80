package store

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestIsArchiveFIFO holds that a FIFO is not opened, which would wait for who writes.
func TestIsArchiveFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() { done <- IsArchive(path) }()
	select {
	case is := <-done:
		if is {
			t.Error("it is taken for an archive")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waits")
	}
}
