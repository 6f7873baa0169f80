package rootfs_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/capwise/capwise/image/rootfs"
)

// FuzzOpen holds that whatever a file is, its image is read, with names below the
// root, or there is an error.
func FuzzOpen(f *testing.F) {
	const effective = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	add := func(headers ...tar.Header) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), "tar:")
	}
	add(tar.Header{Name: "bin/", Typeflag: tar.TypeDir}, tar.Header{Name: "bin/a", Mode: 0o755, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": effective}})
	add(tar.Header{Name: "a", Mode: 0o755, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": effective}}, tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "a"}, tar.Header{Name: ".wh.a"})
	add(tar.Header{Name: "x/../../y", Typeflag: tar.TypeSymlink, Linkname: "/"})
	f.Add([]byte(`[{"Config":"c","Layers":[]}]`), "docker-archive:")
	f.Add([]byte(`{"imageLayoutVersion":"1.0.0"}`), "oci-archive:")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, kind string) {
		switch kind {
		case "tar:", "docker-archive:", "oci-archive:":
		default:
			return
		}
		name := filepath.Join(dir, "f")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		source, err := rootfs.Open(kind+name, rootfs.Options{})
		if err != nil { // most are none
			return
		}
		defer source.Close()
		_ = source.Each(func(img *rootfs.Image) error {
			for _, c := range img.Capable() {
				if filepath.Clean(c.Path) != c.Path || !filepath.IsAbs(c.Path) {
					t.Errorf("the name %q", c.Path)
				}
			}
			return nil
		})
	})
}
