package catalog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
	"github.com/capwise/capwise/internal/limit"
)

// docker makes what "docker save" of two images writes: amd64 as app:1 and r.example/app:1,
// arm64 as app:2. A newer Docker writes an index besides.
func docker(t *testing.T, newer bool) files {
	t.Helper()
	f := files{}
	one, m1 := f.image(t, "linux/amd64", ociLayer)
	two, m2 := f.image(t, "linux/arm64", ociLayer)
	nameOf := func(d any) string {
		name, err := store.BlobName(d.(object)["digest"].(string))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	entry := func(m object, names ...string) object {
		return object{"Config": nameOf(m["config"]), "RepoTags": names, "Layers": []string{nameOf(m["layers"].([]any)[0])}}
	}
	f[store.DockerFile] = marshal(t, []any{entry(m1, "app:1", "r.example/app:1"), entry(m2, "app:2")})
	if newer {
		f.index(t, tagged(one, dockerName, "docker.io/library/app:1", refName, "1"), tagged(two, dockerName, "docker.io/library/app:2", refName, "2"))
	}
	return f
}

// TestDockerArchive lists the images of archives that engines save.
func TestDockerArchive(t *testing.T) {
	const one, two = "linux/amd64 app:1,r.example/app:1", "linux/arm64 app:2"
	for tag, want := range map[string][]string{
		"":                         {one, two},
		":app:1":                   {one},
		":app:2":                   {two},
		":app":                     {one, two},
		":docker.io/library/app:1": {one},
		":library/app:2":           {two},
		":docker.io/app":           {one, two},
		":r.example/app":           {one},
		":r.example/app:1":         {one},
		":r.example/app:2":         nil,
		":1":                       nil,
		":pp:1":                    nil,
	} {
		c, err := open(t, docker(t, false).write(t, ref.DockerArchive)+tag)
		if want == nil {
			if !errors.Is(err, store.ErrNoTag) || !strings.Contains(err.Error(), `there are ["app:1" "r.example/app:1" "app:2"]`) {
				t.Errorf("%s: got %v", tag, err)
			}
			continue
		}
		if err != nil || !slices.Equal(listed(c), want) {
			t.Errorf("%s: got %v; want %q", tag, err, want)
		}
	}
}

// TestNewerDocker holds that an archive with a manifest.json and an index has each image
// once, whichever way it is opened.
func TestNewerDocker(t *testing.T) {
	f := docker(t, true)
	for reference, want := range map[string][]string{
		f.write(t, ref.DockerArchive):            {"linux/amd64 app:1,r.example/app:1,1", "linux/arm64 app:2,2"},
		f.write(t, ref.Archive):                  {"linux/amd64 app:1,r.example/app:1,1", "linux/arm64 app:2,2"},
		f.write(t, ref.LayoutArchive):            {"linux/amd64 app:1,r.example/app:1,1", "linux/arm64 app:2,2"},
		f.write(t, ref.DockerArchive) + ":app:2": {"linux/arm64 app:2,2"},
		f.write(t, ref.Layout):                   {"linux/amd64 1", "linux/arm64 2"},
		f.write(t, ref.Layout) + ":2":            {"linux/arm64 2"},
	} {
		c, err := open(t, reference)
		if err != nil {
			t.Errorf("%s: %v", reference, err)
			continue
		}
		if got := listed(c); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", reference, got, want)
		}
		if n := len(c.Layers()); n != len(want) {
			t.Errorf("%s: %d layers", reference, n)
		}
		for _, img := range c.Images {
			if img.Digest == img.Config.Digest {
				t.Errorf("%s: %s has not the digest of its manifest", reference, img.Label())
			}
		}
	}
}

// TestIndex holds what of an index is an image for Linux.
func TestIndex(t *testing.T) {
	f := files{}
	linux, _ := f.image(t, "linux/amd64", ociLayer)
	windows, m := f.image(t, "windows/amd64", foreign)
	// The layers of Windows are fetched from its maker.
	name, err := store.BlobName(m["layers"].([]any)[0].(object)["digest"].(string))
	if err != nil {
		t.Fatal(err)
	}
	delete(f, name)
	config := f.blob(t, ociConfig, object{"rootfs": object{"diff_ids": []any{"x"}}})
	statement := f.blob(t, "application/vnd.in-toto+json", object{"_type": "x"})
	attestation := f.blob(t, ociImage, object{"config": config, "layers": []any{statement}})
	attestation["platform"] = object{"os": "unknown", "architecture": "unknown"}
	signature := f.blob(t, ociImage, object{"config": config, "layers": []any{f.blob(t, "application/vnd.dev.cosign.simplesigning.v1+json", object{})}})
	chart := f.blob(t, ociImage, object{"artifactType": "application/vnd.example", "config": config, "layers": []any{f.blob(t, ociLayer, []byte("x"))}})
	empty := f.blob(t, ociImage, object{"config": f.blob(t, "application/vnd.oci.empty.v1+json", object{}), "layers": []any{statement}})
	missing := object{"mediaType": ociImage, "digest": store.Digest256([]byte("missing")), "size": 7, "platform": object{"os": "linux", "architecture": "arm64"}}
	inner := f.blob(t, ociIndex, object{"manifests": []any{linux, windows, attestation, missing}})
	f.index(t, tagged(inner, refName, "v1"), tagged(signature, refName, "sha256-0.sig"), chart, empty)
	c, err := open(t, f.write(t, ref.Layout))
	if err != nil {
		t.Fatal(err)
	}
	if got := listed(c); !slices.Equal(got, []string{"linux/amd64 v1"}) || len(c.Skipped) > 0 {
		t.Errorf("got %q, skipped %q", got, c.Skipped)
	}
	if want := fmt.Sprintf("%s: the manifest is not there; left as it is", missing["digest"]); !slices.Equal(c.Notes, []string{want}) {
		t.Errorf("got %q, want %q", c.Notes, want)
	}
}

// TestSkipped holds that an image whose layers capwise does not read is named, and that
// the others are listed.
func TestSkipped(t *testing.T) {
	for _, kind := range []string{"application/vnd.erofs.layer.v1", ociLayer + "+gzip+encrypted", "application/vnd.example.tar"} {
		f := files{}
		good, _ := f.image(t, "linux/amd64", ociLayer)
		odd, _ := f.image(t, "linux/arm64", kind)
		elsewhere, _ := f.image(t, "windows/amd64", kind)
		f.index(t, tagged(f.blob(t, ociIndex, object{"manifests": []any{good, odd, elsewhere}}), refName, "v1"))
		c, err := open(t, f.write(t, ref.Layout))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		want := fmt.Sprintf("v1 linux/arm64: not looked at: layer 1 of 1 has media type %q, which capwise does not read", kind)
		if !slices.Equal(c.Skipped, []string{want}) || !slices.Equal(listed(c), []string{"linux/amd64 v1"}) {
			t.Errorf("got %q, skipped %q", listed(c), c.Skipped)
		}
		f.index(t, odd)
		if c, err := open(t, f.write(t, ref.Layout)); err != nil || len(c.Images) > 0 || len(c.Skipped) != 1 || !strings.HasPrefix(c.Skipped[0], odd["digest"].(string)+" linux/arm64: ") {
			t.Errorf("alone: %v", err)
		}
	}
}

// TestErrors holds which errors there are, and what they say.
func TestErrors(t *testing.T) {
	plain := func(change func(f files, descriptor, manifest object)) files {
		f := files{}
		d, m := f.image(t, "linux/amd64", ociLayer)
		f.index(t, tagged(d, refName, "v1"))
		change(f, d, m)
		return f
	}
	var above *limit.Error
	for _, c := range []struct {
		name  string
		files files
		kind  ref.Kind
		tag   string
		is    error
		says  string
	}{
		{"no tag", plain(func(files, object, object) {}), ref.Layout, ":v2", store.ErrNoTag, `no such tag "v2"; there are ["v1"]`},
		{"part of a tag", plain(func(files, object, object) {}), ref.Layout, ":1", store.ErrNoTag, `there are ["v1"]`},
		{"no image", plain(func(f files, _, _ object) { f.index(t) }), ref.Layout, "", store.ErrNotImage, "it has none for Linux"},
		{"windows only", plain(func(f files, _, _ object) { d, _ := f.image(t, "windows/amd64", foreign); f.index(t, d) }), ref.Layout, "", store.ErrNotImage, "it has none for Linux"},
		{"manifest is not there", plain(func(f files, d, _ object) { f.remove(t, d) }), ref.Layout, "", nil, "index.json: manifest 1: "},
		{"layer is not there", plain(func(f files, _, m object) { f.remove(t, m["layers"].([]any)[0].(object)) }), ref.Layout, "", nil, "layer 1: "},
		{"size", plain(func(f files, d, _ object) { d["size"] = 1; f.index(t, d) }), ref.Layout, "", nil, "size mismatch: its descriptor says 1 bytes"},
		{"no size", plain(func(f files, d, _ object) { delete(d, "size"); f.index(t, d) }), ref.Layout, "", nil, "says no size"},
		{"digest", plain(func(f files, d, _ object) { d["digest"] = "md5:00"; f.index(t, d) }), ref.Layout, "", nil, "want sha256: or sha512:"},
		{"diff_ids", plain(func(f files, _, m object) {
			m["layers"] = append(m["layers"].([]any), m["layers"].([]any)[0])
			f.index(t, f.blob(t, ociImage, m))
		}), ref.Layout, "", nil, "2 layers, and 1 in the configuration"},
		{"no manifest.json", files{"x": nil}, ref.DockerArchive, "", nil, "manifest.json"},
		{"no Config", files{store.DockerFile: []byte(`[{"Layers":[]}]`)}, ref.DockerArchive, "", nil, "manifest.json: image 1: no Config"},
	} {
		_, err := open(t, c.files.write(t, c.kind)+c.tag)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
	f := files{}
	d, _ := f.image(t, "linux/amd64", ociLayer)
	for range limit.Nesting.Most {
		d = f.blob(t, ociIndex, object{"manifests": []any{d}})
	}
	f.index(t, d)
	if c, err := open(t, f.write(t, ref.Layout)); err != nil || len(c.Images) != 1 {
		t.Errorf("as deep as may be: %v", err)
	}
	f.index(t, f.blob(t, ociIndex, object{"manifests": []any{d}}))
	if _, err := open(t, f.write(t, ref.Layout)); !errors.As(err, &above) || above.Limit != limit.Nesting {
		t.Errorf("deeper: %v", err)
	}
}

// remove takes a blob away.
func (f files) remove(t *testing.T, descriptor object) {
	t.Helper()
	name, err := store.BlobName(descriptor["digest"].(string))
	if err != nil {
		t.Fatal(err)
	}
	delete(f, name)
}

// TestRootFS takes an archive that is no image for that of a root file system.
func TestRootFS(t *testing.T) {
	f := files{"bin/sh": []byte("x"), "etc/passwd": nil}
	for _, kind := range []ref.Kind{ref.RootFS, ref.Archive} {
		c, err := open(t, f.write(t, kind))
		if err != nil || len(c.Images) != 1 || len(c.Layers()) != 1 || c.Images[0].Config != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestKey holds by which digest facts of a layer are kept.
func TestKey(t *testing.T) {
	for _, kind := range []ref.Kind{ref.DockerArchive, ref.Layout} {
		c, err := open(t, docker(t, kind == ref.Layout).write(t, kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range c.Layers() {
			if want := "sha256:" + strings.TrimPrefix(l.Name, "blobs/sha256/"); l.Key() != want || l.Known() != want {
				t.Errorf("%s: key %s, known as %s", l.Name, l.Key(), l.Known())
			}
		}
	}
	// As older engines save: the layer's name is no digest.
	f := files{"l/layer.tar": archiveOf(t, files{"a": nil}), "c.json": []byte(`{"rootfs":{"diff_ids":["sha256:d"]}}`)}
	f[store.DockerFile] = []byte(`[{"Config":"c.json","Layers":["l/layer.tar"]}]`)
	plain := f["l/layer.tar"]
	for magic, want := range map[string]string{"": "sha256:d", "\x1f\x8b": ""} { // of gzip nobody says the digest
		f["l/layer.tar"] = append([]byte(magic), plain...)
		c, err := open(t, f.write(t, ref.DockerArchive))
		if err != nil {
			t.Fatal(err)
		}
		if l := c.Layers()[0]; l.Key() != want || l.Known() != "sha256:d" {
			t.Errorf("%q: key %q, known as %q", magic, l.Key(), l.Known())
		}
	}
}
