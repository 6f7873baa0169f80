package store

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/capwise/capwise/image/internal/rawjson"
	"github.com/capwise/capwise/internal/limit"
)

// Documents reads documents, within the limits for all of them.
type Documents struct{ bytes int64 }

// Read reads a file as JSON. If the digest is not "", it must be its own.
func (d *Documents) Read(f *File, digest string) ([]byte, *rawjson.Value, error) {
	d.bytes += f.Size()
	if err := limit.Document.Within(f.Name, f.Size()); err != nil {
		return nil, nil, err
	}
	if err := limit.Documents.Within(f.Name, d.bytes); err != nil {
		return nil, nil, err
	}
	raw := make([]byte, f.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, f.Size()), raw); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if digest != "" && digest != Digest256(raw) && digest != Digest512(raw) {
		return nil, nil, fmt.Errorf("%s: want digest %s, got %s", f.Name, digest, Digest256(raw))
	}
	v, err := rawjson.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return raw, v, nil
}

// BlobName is where a layout has the blob of a digest.
func BlobName(digest string) (string, error) {
	algorithm, sum, ok := strings.Cut(digest, ":")
	length := map[string]int{"sha256": 64, "sha512": 128}[algorithm]
	if !ok || len(sum) != length || strings.Trim(sum, "0123456789abcdef") != "" {
		return "", fmt.Errorf("digest %.150q: want sha256: or sha512: and 64 or 128 hexadecimal digits", digest)
	}
	return "blobs/" + algorithm + "/" + sum, nil
}

// Digest256 is the digest of a document, as descriptors give it.
func Digest256(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Digest512 is the same with the longer algorithm.
func Digest512(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha512:" + hex.EncodeToString(sum[:])
}

// IsLayer reports whether a media type is that of a file system layer.
func IsLayer(mediaType string) bool {
	return (strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.") || strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.")) &&
		strings.Contains(mediaType, ".tar")
}
