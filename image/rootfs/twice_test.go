package rootfs_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestTwice holds that of two attributes of a file the one is seen with which engines
// unpack it, the last.
func TestTwice(t *testing.T) {
	const key = "SCHILY.xattr.security.capabilit"
	for _, real := range []string{effective, permitted} {
		shown := map[string]string{effective: permitted, permitted: effective}[real]
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "a", Mode: 0o755, PAXRecords: map[string]string{key + "Y": shown, key + "y": real}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		text := bytes.ReplaceAll(b.Bytes(), []byte(key+"Y"), []byte(key+"y"))
		h, err := tar.NewReader(bytes.NewReader(text)).Next()
		if err != nil || h.PAXRecords[key+"y"] != real {
			t.Fatalf("archive/tar reads %+v, %v", h, err)
		}
		archive := filepath.Join(t.TempDir(), "rootfs.tar")
		if err := os.WriteFile(archive, text, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := open(t, "tar:"+archive)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := img.Stat("/a"); err != nil || attribute(info) != real {
			t.Errorf("got %q, want %q, %v", attribute(info), real, err)
		}
	}
}
