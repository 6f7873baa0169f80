package catalog

import (
	"bytes"

	"github.com/capwise/capwise/image/internal/compression"
	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/image/store"
)

// Document is a configuration, manifest or index, as it is and as it becomes.
type Document struct {
	// Name is that of its file.
	Name   string
	Digest string
	Raw    []byte
	Value  *rawjson.Value
	// Image is that of a manifest.
	Image *Image
	// Children are those of an index that are changed with it.
	Children []*Descriptor

	// Now is what the document becomes. Done says that it is settled.
	Now       []byte
	NowDigest string
	Done      bool
}

// Descriptor is what an index or manifest says of a document, which is nil if it is
// not there.
type Descriptor struct {
	Value *rawjson.Value
	Doc   *Document
}

// Changed reports whether the document becomes another.
func (d *Document) Changed() bool { return d.NowDigest != d.Digest }

// Set says what the document becomes.
func (d *Document) Set(now []byte) {
	if !bytes.Equal(now, d.Raw) {
		d.Now, d.NowDigest = now, store.Digest256(now)
	}
}

// compressed reports whether a file is compressed, or cannot be read.
func compressed(f *store.File) bool {
	kind, err := compression.Detect(f)
	return err != nil || kind != compression.None
}
