package rootfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/capwise/capwise/image/rootfs"
)

// TestDamagedImage damages a layer of one of two images: the error names it, and the
// other is read.
func TestDamagedImage(t *testing.T) {
	path, err := layout.Write(filepath.Join(t.TempDir(), "oci"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"bad", "good"} {
		img := build(t, layer(t, file{name: "bin/" + tag, content: tag, caps: permitted}))
		if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})); err != nil {
			t.Fatal(err)
		}
		if tag == "good" {
			continue
		}
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		digest, err := layers[0].Digest()
		if err != nil {
			t.Fatal(err)
		}
		blob := filepath.Join(string(path), "blobs", "sha256", digest.Hex)
		text, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)-1] ^= 1 // of the length at the end of the gzip stream
		if err := os.WriteFile(blob, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := rootfs.Open("oci:"+string(path), rootfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var seen []string
	err = source.Each(func(img *rootfs.Image) error {
		for _, c := range img.Capable() {
			seen = append(seen, c.Path)
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), ` bad": layer 1 of 1: `) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got the error %v", err)
	}
	if len(seen) != 1 || seen[0] != "/bin/good" {
		t.Errorf("got %q", seen)
	}
}
