//go:build !linux

package held

import (
	"errors"
	"io/fs"
	"os"
)

// File is a file that is held by descriptors, which capwise does on Linux only.
type File struct {
	// Path is what the file was asked for by.
	Path string
}

// Open returns [errors.ErrUnsupported].
func Open(path string) (*File, error) {
	return nil, &fs.PathError{Op: "open", Path: path, Err: errors.ErrUnsupported}
}

// Close does nothing.
func (f *File) Close() error { return nil }

// Beside returns [errors.ErrUnsupported].
func (f *File) Beside(string) (*File, error) { return nil, errors.ErrUnsupported }

// Name returns the path that the file was asked for by.
func (f *File) Name() string { return f.Path }

// RealPath returns the path that the file was asked for by.
func (f *File) RealPath() string { return f.Path }

// Attribute returns [errors.ErrUnsupported].
func (f *File) Attribute() ([]byte, error) { return nil, errors.ErrUnsupported }

// Content returns [errors.ErrUnsupported].
func (f *File) Content() (*os.File, error) { return nil, errors.ErrUnsupported }
