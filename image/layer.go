package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// capabilityRecord is the PAX record that tar(1), umoci and every container
// engine use for the extended attribute. Its value is the attribute's raw
// bytes, zero bytes included.
const capabilityRecord = "SCHILY.xattr.security.capability"

// newLayer packs the entries, in their order, into a gzip-compressed layer.
func newLayer(entries []entry, modTime time.Time) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		if err := e.writeTo(w, modTime); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open,
		tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.DefaultCompression),
		tarball.WithCompressedCaching)
}

func (e entry) writeTo(w *tar.Writer, modTime time.Time) error {
	h := &tar.Header{
		Name:     e.name,
		Mode:     unixMode(e.mode),
		Size:     int64(len(e.data)),
		Linkname: e.target,
		ModTime:  modTime,
		Typeflag: tar.TypeReg,
	}
	switch e.mode.Type() {
	case fs.ModeDir:
		h.Typeflag, h.Name = tar.TypeDir, e.name+"/"
	case fs.ModeSymlink:
		// Permission bits of a link mean nothing and differ between systems.
		h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
	}
	if e.xattr != nil {
		h.PAXRecords = map[string]string{capabilityRecord: string(e.xattr)}
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(e.data)
	return err
}

// unixMode returns the permission bits as chmod(1) counts them.
func unixMode(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	for _, b := range []struct {
		in  fs.FileMode
		out int64
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.in != 0 {
			bits |= b.out
		}
	}
	return bits
}
