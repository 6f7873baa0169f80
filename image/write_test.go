package image

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// list returns the hash of every file below dir.
func list(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	files := map[string][32]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path[len(dir):]] = sha256.Sum256(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWriteReadsBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "out")
	set := build(t, testOptions(t, "cap_net_bind_service=p"))
	outputs, err := set.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, o := range outputs {
		paths = append(paths, o.Path)
	}
	want := []string{filepath.Join(dir, "demo"), filepath.Join(dir, "demo-amd64.tar"), filepath.Join(dir, "demo-arm64.tar")}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Fatalf("outputs (-want +got):\n%s", diff)
	}

	index, err := layout.ImageIndexFromPath(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if m := manifest.Manifests; len(m) != 1 || m[0].Digest != outputs[0].Digest || m[0].Annotations[refNameAnnotation] != "1.2.3" {
		t.Errorf("index.json has %+v, want only %v tagged 1.2.3", m, outputs[0].Digest)
	}
	for i, o := range outputs[1:] {
		img, err := tarball.ImageFromPath(o.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s: %v", o.Path, err)
		}
		if diff := cmp.Diff(readLayers(t, set.Images[i]), readLayers(t, img)); diff != "" {
			t.Errorf("%s (-built +read):\n%s", o.Path, diff)
		}
	}
}

// TestWriteTwice writes the same image into two places, and a second time
// over another image: all three must be the same, with nothing left behind.
func TestWriteTwice(t *testing.T) {
	write := func(dir, caps string) map[string][32]byte {
		if _, err := build(t, testOptions(t, caps)).Write(dir); err != nil {
			t.Fatal(err)
		}
		return list(t, dir)
	}
	a, b := t.TempDir(), t.TempDir()
	first := write(a, "cap_net_bind_service=p")
	if diff := cmp.Diff(first, write(b, "cap_net_bind_service=p")); diff != "" {
		t.Errorf("two places differ:\n%s", diff)
	}
	if other := write(a, "cap_net_bind_service=ep"); cmp.Equal(first, other) {
		t.Error("another image was not written")
	}
	if diff := cmp.Diff(first, write(a, "cap_net_bind_service=p")); diff != "" {
		t.Errorf("written over another image:\n%s", diff)
	}
}

func TestWriteFailureLeavesOldOutput(t *testing.T) {
	dir := t.TempDir()
	set := build(t, Options{})
	if _, err := set.Write(dir); err != nil {
		t.Fatal(err)
	}
	before := list(t, dir)
	set.Images[1].Platform.Architecture = "no/such" // a directory that is not there
	if _, err := set.Write(dir); err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(before, list(t, dir)); diff != "" {
		t.Errorf("after a failure (-before +after):\n%s", diff)
	}
}

func TestMoveAside(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "tmp", "x"), filepath.Join(dir, "x")
	for _, content := range []string{"one", "two"} {
		if err := os.MkdirAll(from, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(from, content), nil, 0o644)
		if err := moveAside(from, to); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "tmp")); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(to, content)); err != nil {
			t.Error(err)
		}
	}
	if err := moveAside(from, to); err == nil {
		t.Error("no error where there is nothing to move")
	}
	if _, err := os.Stat(filepath.Join(to, "two")); err != nil {
		t.Error("what was there before is gone:", err)
	}
}
