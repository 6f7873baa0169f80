// Package store opens the files that images consist of, where they lie: in a folder,
// an archive or a registry, or with an engine that saves them. It is what scan,
// explain and fix read images through, so that none of them takes a file for another
// than the others do, and what fix writes them by.
package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Store is the files that images consist of.
type Store interface {
	// Open returns a file. Its name may be a link to the file's own. A size that
	// is not negative is what the file must have.
	Open(name string, size int64) (*File, error)
	io.Closer
}

// File is a file of a store.
type File struct {
	Name string
	*io.SectionReader
}

// Errors that others are wrapped in.
var (
	// ErrChanged says that another program has changed the store meanwhile.
	ErrChanged = errors.New("changed meanwhile")
	// ErrNoTag says that a store has no image with the tag or the name.
	ErrNoTag = errors.New("no such tag")
	// ErrNotImage says that there is no image in a store.
	ErrNotImage = errors.New("not an image")
)

// AnySize is what a file must have where nobody says how much.
const AnySize = -1

// IndexFile is the index of an OCI layout.
const IndexFile = "index.json"

// DockerFile lists the images of an archive that "docker save" or "podman save"
// wrote.
const DockerFile = "manifest.json"

// RefName is the annotation that holds the tag in an OCI layout.
const RefName = "org.opencontainers.image.ref.name"

// sized holds a file to its size.
func (f *File) sized(size int64) (*File, error) {
	if size >= 0 && f.Size() != size {
		return nil, fmt.Errorf("%s: size mismatch: its descriptor says %d bytes, got %d", f.Name, size, f.Size())
	}
	return f, nil
}

// lockWait is how long a run waits for another. Tests shorten it.
var lockWait = time.Minute

// lock waits until it has the lock.
func lock(f *os.File, try func(*os.File) bool) error {
	for end := time.Now().Add(lockWait); !try(f); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%s: locked for %s by another program that changes it; try again when that is done", f.Name(), lockWait)
		}
	}
	return nil
}
