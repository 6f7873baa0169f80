package rootfs_test

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nameref "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/scenario"
)

// caps is cap_net_bind_service=p and =ep, as the attribute's bytes.
const (
	permitted = "\x00\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	effective = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// file is an entry of a layer; a name that ends in a slash is a folder.
type file struct {
	name, content, link, hard, caps string
	libarchive                      bool
}

func layer(t *testing.T, files ...file) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		hdr := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content)), Typeflag: tar.TypeReg, PAXRecords: map[string]string{}}
		switch {
		case f.link != "":
			hdr.Typeflag, hdr.Linkname = tar.TypeSymlink, f.link
		case f.hard != "":
			hdr.Typeflag, hdr.Linkname = tar.TypeLink, f.hard
		case strings.HasSuffix(f.name, "/"):
			hdr.Typeflag = tar.TypeDir
		}
		if f.caps != "" && f.libarchive {
			hdr.PAXRecords["LIBARCHIVE.xattr.security.capability"] = base64.RawStdEncoding.EncodeToString([]byte(f.caps))
		} else if f.caps != "" {
			hdr.PAXRecords["SCHILY.xattr.security.capability"] = f.caps
		}
		if err := w.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func build(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.Config(img, v1.Config{
		User: "web", Entrypoint: []string{"/init"}, Cmd: []string{"serve"},
		Env: []string{"A=B", "PATH=/bin"}, WorkingDir: "/srv",
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestLayers holds what later layers do to files of earlier ones.
func TestLayers(t *testing.T) {
	img, err := rootfs.New(build(t,
		layer(t,
			file{name: "bin/"}, file{name: "bin/a", content: "\x7fELF a", caps: effective}, file{name: "bin/b", content: "b", caps: effective},
			file{name: "bin/c", content: "c"}, file{name: "opt/"}, file{name: "opt/x", content: "x"}, file{name: "usr/bin/d", caps: permitted},
			file{name: "gone/"}, file{name: "gone/y", content: "y"}, file{name: "etc/passwd", content: "web:x:7:8::/:/bin/sh\n"}),
		layer(t,
			file{name: "bin/a", content: "\x7fELF a2", caps: permitted, libarchive: true}, // replaced
			file{name: "bin/.wh.b"}, // removed
			file{name: "opt/new"}, file{name: "opt/.wh..wh..opq"},
			file{name: "gone", link: "/bin"}, // a folder becomes a link
			file{name: "bin/hard", hard: "usr/bin/d"}, file{name: "bin/link", link: "../usr/bin/d"}, file{name: "loop", link: "loop"},
			file{name: "init", content: "#!/bin/sh\nexec \"$@\"\n"}),
	), "test", rootfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ path, caps, head string }{
		"/bin/a":     {"/bin/a", permitted, "\x7fELF"},
		"/bin/c":     {"/bin/c", "", "c"},
		"/opt/new":   {"/opt/new", "", ""},
		"/bin/hard":  {"/bin/hard", permitted, ""},
		"/bin/link":  {"/usr/bin/d", permitted, ""},
		"/gone/hard": {"/bin/hard", permitted, ""},
		"/init":      {"/init", "", "#!/bin/sh\nexec \"$@\"\n"},
	} {
		info, err := img.Stat(name)
		if err != nil || info.Path != want.path || attribute(info) != want.caps {
			t.Errorf("%s: got %+v, %v; want %q", name, info, err, want)
		}
		if head, err := img.Head(name, 100); err != nil || string(head) != want.head {
			t.Errorf("%s: head %q, %v; want %q", name, head, err, want.head)
		}
	}
	for _, name := range []string{"/bin/b", "/opt/x", "/gone/y", "/nothing/at/all"} {
		if info, err := img.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %+v, %v; want it gone", name, info, err)
		}
	}
	if _, err := img.Stat("/loop"); err == nil || !strings.Contains(err.Error(), "40 symbolic links") {
		t.Errorf("a loop of links: %v", err)
	}
	if c := img.Config; c.User != "web" || c.Path != "/bin" || strings.Join(c.Exposed, " ") != "53/udp 80/tcp" || c.WorkDir != "/srv" {
		t.Errorf("config is %+v", c)
	}
}

// attribute returns the file's capabilities as bytes.
func attribute(info scenario.FileInfo) string {
	if !info.File.HasCaps() {
		return ""
	}
	raw, err := info.File.Caps.MarshalBinary()
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// open reads the one image of a reference that runs here.
func open(t *testing.T, reference string) (*rootfs.Image, error) {
	t.Helper()
	source, err := rootfs.Open(reference, rootfs.Options{})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = source.Close() })
	images, err := source.ForThisMachine()
	if err != nil {
		return nil, err
	}
	if len(images) != 1 {
		t.Fatalf("%s: %d images", reference, len(images))
	}
	return source.Read(images[0])
}

// TestOpen writes an image in each form and opens it by its reference.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	img := build(t, layer(t, file{name: "bin/a", content: "a", caps: permitted}))
	archive := filepath.Join(dir, "a.tar")
	if err := tarball.WriteToFile(archive, nil, img); err != nil {
		t.Fatal(err)
	}
	path, err := layout.Write(filepath.Join(dir, "oci"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "v1"})); err != nil {
		t.Fatal(err)
	}
	ociArchive := filepath.Join(dir, "oci.tar")
	packDir(t, string(path), ociArchive)
	for _, ref := range []string{
		"docker-archive:" + archive, "oci:" + string(path), "oci:" + string(path) + ":v1", "oci-archive:" + ociArchive, "oci-archive:" + ociArchive + ":v1",
	} {
		opened, err := open(t, ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if info, err := opened.Stat("/bin/a"); err != nil || attribute(info) != permitted {
			t.Errorf("%s: got %+v, %v", ref, info, err)
		}
	}
	for ref, says := range map[string]string{
		"caddy":                         "want docker-archive:FILE",
		"http:caddy":                    `want docker-archive:FILE`,
		"oci:" + string(path) + ":v2":   `no such tag "v2"`,
		"docker-archive:" + dir + "/no": "no such file",
	} {
		if _, err := open(t, ref); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), ref) {
			t.Errorf("%s: got %v, want an error with %q", ref, err, says)
		}
	}
}

// TestPlatforms writes an index for two platforms with an attestation, pushes it
// to a registry too, and reads all of it.
func TestPlatforms(t *testing.T) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}, {OS: "unknown", Architecture: "unknown"}, {OS: "windows", Architecture: "amd64"}} {
		img := build(t, layer(t, file{name: "bin/a", content: "\x7fELF of " + p.Architecture, caps: effective}, file{name: "bin/hard", hard: "bin/a"}))
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
	}
	dir := filepath.Join(t.TempDir(), "oci")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendIndex(index); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	name := strings.TrimPrefix(server.URL, "http://") + "/a/b:v1"
	ref, err := nameref.ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{"oci:" + dir, "registry:" + name} {
		archs := []string{"amd64", "arm64"}
		source, err := rootfs.Open(reference, rootfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = source.Each(func(img *rootfs.Image) error {
			if len(archs) == 0 {
				t.Fatalf("%s is one too many", img.Name())
			}
			arch := archs[0]
			archs = archs[1:]
			if want := reference + " linux/" + arch; img.Name() != want || img.Platform != "linux/"+arch {
				t.Errorf("the image is called %q, want %q", img.Name(), want)
			}
			c := img.Capable()
			if len(c) != 2 || c[0].Path != "/bin/a" || c[1].Path != "/bin/hard" || string(c[1].Attribute) != effective || c[0].Digest != img.Layers[0].Digest {
				t.Errorf("%s: capable are %+v", img.Name(), c)
			}
			return nil
		})
		err = errors.Join(err, source.Close())
		if err != nil || len(archs) > 0 {
			t.Fatalf("%s: %v, and not seen are %q", reference, err, archs)
		}
	}
	if _, err := open(t, "registry:"+name+"2"); err == nil || !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") {
		t.Errorf("an image that is not there: %v", err)
	}
}

// TestTar reads the archive of a root file system, which has no configuration.
func TestTar(t *testing.T) {
	r, err := layer(t, file{name: "bin/a", content: "a", caps: permitted}).Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "rootfs.tar")
	if err := os.WriteFile(archive, text, 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := open(t, "tar:"+archive)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := img.Stat("/bin/a"); err != nil || attribute(info) != permitted || img.Config.Entrypoint != nil {
		t.Errorf("got %+v, %v", info, err)
	}
}

// TestHostile holds that a layer that cannot be read is an error that says
// which.
func TestHostile(t *testing.T) {
	broken, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(strings.Repeat("no tar archive", 100))), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []v1.Layer{broken, layer(t, file{name: "a", hard: "nowhere"})} {
		if _, err := rootfs.New(build(t, layer(t), l), "test", rootfs.Options{}); err == nil || !strings.Contains(err.Error(), "layer 2 of 2") {
			t.Errorf("got %v, want an error that names the layer", err)
		}
	}
}

func packDir(t *testing.T, dir, to string) {
	t.Helper()
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
