package fix

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/capwise/capwise/image/store"
)

// compression is how a layer of a fixture is compressed.
type compression string

const (
	plain   compression = "uncompressed"
	gzipped compression = "gzip"
	zstded  compression = "zstd"
)

// The records that hold the attribute.
const (
	schily     = "SCHILY.xattr.security.capability"
	libarchive = "LIBARCHIVE.xattr.security.capability"
)

// effective and its like are cap_net_bind_service=ep, =p, and =ep of a user
// namespace, as the attribute's bytes.
const (
	effectiveCaps   = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	inheritableCaps = "\x01\x00\x00\x02\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	permittedCaps   = "\x00\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	foreignCaps     = "\x01\x00\x00\x03\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xe8\x03\x00\x00"
)

// fileSpec is an entry of a layer; a name that ends in a slash is a folder.
type fileSpec struct {
	name, caps, libarchive, hard string
	size                         int
	records                      map[string]string
	elf                          string // the architecture of a program
	mode, uid                    int    // of another than 0755 and 0
	link                         string // of a symbolic link
}

// tarOf returns an archive of entries. Content is the same for the same name.
func tarOf(t testing.TB, files ...fileSpec) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(f.size), Typeflag: tar.TypeReg, PAXRecords: map[string]string{}, Uid: f.uid}
		if f.mode != 0 {
			h.Mode = int64(f.mode)
		}
		for k, v := range f.records {
			h.PAXRecords[k] = v
		}
		if f.caps != "" {
			h.PAXRecords[schily] = f.caps
		}
		if f.libarchive != "" {
			h.PAXRecords[libarchive] = base64.RawStdEncoding.EncodeToString([]byte(f.libarchive))
		}
		switch {
		case f.hard != "":
			h.Typeflag, h.Linkname = tar.TypeLink, f.hard
		case f.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		case strings.HasSuffix(f.name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(len(f.name)), uint64(f.size)))
		content := make([]byte, 0, f.size+8)
		for len(content) < f.size {
			content = fmt.Appendf(content, "%d,", r.IntN(5000))
		}
		copy(content, elfHeader(f.elf))
		if _, err := w.Write(content[:f.size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// elfHeader is the header of a program that has no sections and loads nothing.
func elfHeader(arch string) string {
	begin := elfHeaders[arch]
	if begin == "" {
		return ""
	}
	order, sizes := binary.ByteOrder(binary.LittleEndian), []int{64, 56, 64} // of header, program headers, sections
	if begin[4] == 1 {
		sizes = []int{52, 32, 40}
	}
	if begin[5] == 2 {
		order = binary.BigEndian
	}
	header := append([]byte(begin), make([]byte, sizes[0]-len(begin))...)
	order.PutUint32(header[20:], 1) // EV_CURRENT
	order.PutUint16(header[sizes[0]-12:], uint16(sizes[0]))
	order.PutUint16(header[sizes[0]-10:], uint16(sizes[1]))
	order.PutUint16(header[sizes[0]-6:], uint16(sizes[2]))
	return string(header)
}

// elfHeaders are the beginnings of programs, by architecture, to the machine.
var elfHeaders = map[string]string{
	"amd64":   "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00",
	"arm64":   "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
	"arm":     "\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00",
	"riscv64": "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00",
	"ppc64le": "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x15\x00",
	"s390x":   "\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16",
	"ppc64":   "\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x15",
	"386":     "\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00",
}

// compress compresses a layer.
func compress(t testing.TB, c compression, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch c {
	case plain:
		return content
	case gzipped:
		w = gzip.NewWriter(&b)
	default:
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decompress(t testing.TB, c compression, blob []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(blob)
	var err error
	switch c {
	case gzipped:
		r, err = gzip.NewReader(r)
	case zstded:
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// object is a JSON object.
type object = map[string]any

// fixture collects the files of an image.
type fixture struct {
	t     testing.TB
	files map[string][]byte
	order []string
}

func newFixture(t testing.TB) *fixture { return &fixture{t: t, files: map[string][]byte{}} }

func (f *fixture) put(name string, b []byte) {
	if _, ok := f.files[name]; !ok {
		f.order = append(f.order, name)
	}
	f.files[name] = b
}

func (f *fixture) json(v any) []byte {
	f.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// blob adds a blob and returns its descriptor.
func (f *fixture) blob(mediaType string, b []byte) object {
	digest := store.Digest256(b)
	f.put("blobs/sha256/"+hexDigits(digest), b)
	return object{"mediaType": mediaType, "digest": digest, "size": len(b)}
}

const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeTar      = "application/vnd.oci.image.layer.v1.tar"
)

var suffix = map[compression]string{plain: "", gzipped: "+gzip", zstded: "+zstd"}

// config returns a configuration with members that no library knows.
func (f *fixture) config(arch string, archives ...[]byte) []byte {
	ids := []string{}
	for _, a := range archives {
		ids = append(ids, store.Digest256(a))
	}
	return []byte(fmt.Sprintf(`{ "architecture":%q, "os":"linux", "x-unknown": {"n":1.50, "big":123456789012345678901}, "rootfs":{"type":"layers", "diff_ids": %s },"config":{"Labels":{"about":%q}}}`,
		arch, f.json(ids), store.Digest256(archives[0])))
}

// image adds the manifest of an image and returns its descriptor.
func (f *fixture) image(arch string, c compression, archives ...[]byte) object {
	layers := []object{}
	for _, a := range archives {
		layers = append(layers, f.blob(typeTar+suffix[c], compress(f.t, c, a)))
	}
	m := object{
		"schemaVersion": 2, "mediaType": typeManifest, "layers": layers, "x-unknown": []any{json.Number("1.0"), nil},
		"config": f.blob(typeConfig, f.config(arch, archives...)),
	}
	d := f.blob(typeManifest, f.json(m))
	d["platform"] = object{"os": "linux", "architecture": arch}
	return d
}

// layout adds what makes the blobs an OCI layout.
func (f *fixture) layout(manifests ...object) {
	f.put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	f.put(store.IndexFile, f.json(object{"schemaVersion": 2, "x-unknown": true, "manifests": manifests}))
}

// docker adds what makes an archive one of "docker save". Names hold digests.
func (f *fixture) docker(c compression, archives ...[]byte) {
	names := []string{}
	for i, a := range archives {
		name := hexDigits(store.Digest256(a)) + ".tar"
		f.put(name, compress(f.t, c, a))
		if i == 0 {
			f.put("link/layer.tar", []byte("-> ../"+name))
			name = "link/layer.tar"
		}
		names = append(names, name)
	}
	config := f.config("amd64", archives...)
	name := hexDigits(store.Digest256(config)) + ".json"
	f.put(name, config)
	f.put(store.DockerFile, f.json([]object{{"Config": name, "RepoTags": []string{"x:1"}, "Layers": names}}))
}

// write writes the files as a folder or as an archive, and returns the target.
func (f *fixture) write(kind string) string {
	f.t.Helper()
	at := filepath.Join(f.t.TempDir(), "image")
	if kind == "oci" {
		for name, b := range f.files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(at, name)), 0o755); err != nil {
				f.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(at, name), b, 0o644); err != nil {
				f.t.Fatal(err)
			}
		}
		return "oci:" + at
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range f.order {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(f.files[name])), Typeflag: tar.TypeReg}
		content := f.files[name]
		if to, ok := strings.CutPrefix(string(content), "-> "); ok {
			h.Typeflag, h.Linkname, h.Size, content = tar.TypeSymlink, to, 0, nil
		}
		if err := w.WriteHeader(h); err != nil {
			f.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(at, out.Bytes(), 0o644); err != nil {
		f.t.Fatal(err)
	}
	return kind + ":" + at
}

// contents reads a target back: files by name. It needs nothing of this package.
func contents(t testing.TB, target string) map[string][]byte {
	t.Helper()
	kind, at, _ := strings.Cut(target, ":")
	out := map[string][]byte{}
	if kind == "oci" {
		err := filepath.WalkDir(at, func(p string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(p)
			name, _ := filepath.Rel(at, p)
			out[name] = b
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeSymlink {
			content = []byte("-> " + h.Linkname)
		}
		out[h.Name] = content
	}
}

// hexDigits is a digest without its algorithm.
func hexDigits(digest string) string { return digest[strings.IndexByte(digest, ':')+1:] }

// sha256Of is a sum as documents have it.
func sha256Of(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }
