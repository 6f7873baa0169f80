package sources

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/capwise/capwise/image/fix"
	"github.com/capwise/capwise/image/rootfs"
)

const effective = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// imageOf is an image whose program, at /bin/NAME, carries a capability.
func imageOf(t *testing.T, program, arch string) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := "the program " + program
	err := w.WriteHeader(&tar.Header{Name: "bin/" + program, Mode: 0o755, Size: int64(len(content)), PAXRecords: map[string]string{"SCHILY.xattr.security.capability": effective}})
	_, errWrite := io.WriteString(w, content)
	if err := errors.Join(err, errWrite, w.Close()); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err == nil {
		img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, Config: v1.Config{User: "7", Entrypoint: []string{"/bin/" + program}}, RootFS: rootFSOf(t, img)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func rootFSOf(t *testing.T, img v1.Image) v1.RootFS {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c.RootFS
}

// places writes images in each way that images lie, and returns the references: for
// scan and explain, and for fix, "" where that takes none of the kind.
func places(t *testing.T, several bool) map[string]string {
	t.Helper()
	dir := t.TempDir()
	images := map[string]v1.Image{"one": imageOf(t, "one", runtime.GOARCH)}
	if several {
		images["two"] = imageOf(t, "two", runtime.GOARCH)
	}
	path, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	tagged := map[name.Tag]v1.Image{}
	for tag, img := range images {
		if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})); err != nil {
			t.Fatal(err)
		}
		ref, err := name.NewTag("example.com/app:" + tag)
		if err != nil {
			t.Fatal(err)
		}
		tagged[ref] = img
	}
	docker, oci := filepath.Join(dir, "docker.tar"), filepath.Join(dir, "oci.tar")
	if err := tarball.MultiWriteToFile(docker, tagged); err != nil {
		t.Fatal(err)
	}
	pack(t, string(path), oci)
	out := map[string]string{"oci:" + string(path): "oci:" + string(path), "registry:" + pushed(t, images): ""}
	for kind, file := range map[string]string{"docker-archive:": docker, "oci-archive:": oci} {
		out[kind+file] = kind + file
		for _, packed := range compressed(t, file) {
			out[kind+packed] = kind + packed
		}
	}
	out["archive:"+docker], out["-"+docker+".gz"] = "docker-archive:"+docker, "docker-archive:"+docker
	for reference := range out {
		if strings.HasPrefix(reference, "registry:") {
			out[reference] = reference
		}
	}
	return out
}

func pack(t *testing.T, dir, to string) {
	t.Helper()
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func compressed(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	_, errG := g.Write(text)
	_, errZ := z.Write(text)
	err = errors.Join(errG, errZ, g.Close(), z.Close(), os.WriteFile(file+".gz", gz.Bytes(), 0o600), os.WriteFile(file+".zst", zst.Bytes(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return []string{file + ".gz", file + ".zst"}
}

// pushed puts images into a registry: one by itself, several as one index, for two
// platforms.
func pushed(t *testing.T, images map[string]v1.Image) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if len(images) == 1 {
		if err := remote.Write(ref, images["one"]); err != nil {
			t.Fatal(err)
		}
		return ref.String()
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: imageOf(t, arch, arch), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	return ref.String()
}

// TestAgreement holds that scan, explain and fix take a reference for the same images,
// and find the same files in them, wherever they lie and however they are compressed.
func TestAgreement(t *testing.T) {
	sources := 0
	for _, several := range []bool{false, true} {
		for reference, forFix := range places(t, several) {
			sources++
			options := rootfs.Options{}
			if strings.HasPrefix(reference, "-") {
				f, err := os.Open(reference[1:])
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				reference, options.Stdin = "-", f
			}
			scanned, here := scannedBy(t, reference, options)
			if want := map[bool]int{false: 1, true: 2}[several]; len(scanned) != want {
				t.Errorf("%s: scan finds %q, want %d files", reference, scanned, want)
			}
			if fixed := fixedBy(t, forFix); !slices.Equal(fixed, scanned) {
				t.Errorf("%s: fix finds %q, scan %q", reference, fixed, scanned)
			}
			if f, again := options.Stdin.(*os.File); again {
				if _, err := f.Seek(0, io.SeekStart); err != nil {
					t.Fatal(err)
				}
			}
			if explained := explainedBy(t, reference, options); !slices.Equal(explained, here) {
				t.Errorf("%s: explain finds %q, scan %q", reference, explained, here)
			}
		}
	}
	if sources != 20 {
		t.Errorf("%d sources, want 20", sources)
	}
}

// scannedBy lists the files of all images, and of those that run here.
func scannedBy(t *testing.T, reference string, o rootfs.Options) (all, here []string) {
	t.Helper()
	source, err := rootfs.Open(reference, o)
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	defer source.Close()
	err = source.Each(func(img *rootfs.Image) error {
		found, err := img.Findings()
		for _, f := range found {
			all = append(all, fmt.Sprint(f.Path, " ", f.Platform))
			if f.Platform == "linux/"+runtime.GOARCH {
				here = append(here, f.Path)
			}
			if f.Layer == "" || f.Image == "" {
				t.Errorf("%s: %+v", reference, f)
			}
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	slices.Sort(all)
	slices.Sort(here)
	return all, here
}

func fixedBy(t *testing.T, reference string) []string {
	t.Helper()
	r, err := fix.Run(reference, fix.Options{Mode: fix.Permitted, DryRun: true})
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	var out []string
	for _, f := range r.Files {
		for _, img := range f.Images {
			out = append(out, f.Path+" "+img[strings.LastIndexByte(img, ' ')+1:])
		}
	}
	slices.Sort(out)
	return out
}

func explainedBy(t *testing.T, reference string, images rootfs.Options) []string {
	t.Helper()
	found, err := Options{Image: reference, Images: images, Offline: true}.Command([]string{"docker", "run", "app"})
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	var out []string
	for _, f := range found {
		for _, step := range f.Program.Chain {
			if step.File.HasCaps() {
				out = append(out, step.Path)
			}
		}
	}
	slices.Sort(out)
	return out
}
