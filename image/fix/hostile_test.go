package fix

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/store"

	"github.com/capwise/capwise/internal/limit"
)

// bomb returns a gzip layer of many gigabytes of zeros, behind an entry with =ep.
func bomb(t *testing.T, gigabytes int) (blob []byte, diffID string) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	w := tar.NewWriter(io.MultiWriter(z, h))
	for _, hdr := range []*tar.Header{
		{Name: "bin/a", Mode: 0o755, PAXRecords: map[string]string{schily: effectiveCaps}},
		{Name: "zeros", Size: int64(gigabytes) << 30},
	} {
		if err := w.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
	}
	zeros := make([]byte, 1<<20)
	for range gigabytes << 10 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), sha256Of(h)
}

// TestMemory holds that a layer of a gigabyte takes no more memory than another.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("needs some seconds: -short leaves it out")
	}
	blob, diffID := bomb(t, 1)
	f := newFixture(t)
	config := f.json(object{"rootfs": object{"diff_ids": []string{diffID}}})
	f.put("config.json", config)
	f.put("layer", blob)
	f.put(store.DockerFile, f.json([]object{{"Config": "config.json", "Layers": []string{"layer"}}}))
	target := f.write("docker-archive")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := Run(target, Options{Mode: Permitted, DryRun: true})
	if err != nil || len(r.Files) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
		t.Errorf("%d MiB were asked for", got>>20)
	}
}

// FuzzRun holds that whatever is wrong in an archive's documents, there is an
// error of one line that names it, or a result that a second run takes as it is.
func FuzzRun(f *testing.F) {
	layer := tarOf(f, fileSpec{name: "a", caps: effectiveCaps, elf: "amd64", size: 40})
	fix := newFixture(f)
	fix.docker(plain, layer)
	f.Add(fix.files[store.DockerFile], fix.json(object{}), uint64(0))
	f.Add(fix.files[store.DockerFile], fix.json(object{}), uint64(3))
	fix = newFixture(f)
	d := fix.image("amd64", gzipped, layer)
	fix.layout(d)
	f.Add(fix.files[store.IndexFile], fix.files["blobs/sha256/"+hexDigits(d["digest"].(string))], uint64(1))
	dir := f.TempDir()
	base := newFixture(f) // compresses once
	base.docker(plain, layer)
	base.image("amd64", gzipped, layer)
	f.Fuzz(func(t *testing.T, list, manifest []byte, seed uint64) {
		fix := *base
		fix.t, fix.files, fix.order = t, maps.Clone(base.files), slices.Clone(base.order)
		d := fix.blob(typeManifest, manifest)
		fix.layout(d)
		switch seed % 3 {
		case 0:
			fix.files[store.DockerFile] = list
		case 1:
			fix.files[store.IndexFile] = list
		default:
			name := fix.order[rand.New(rand.NewPCG(seed, 0)).IntN(len(fix.order))]
			fix.files[name] = manifest
		}
		target := fix.write("docker-archive")
		defer func() { _ = os.Remove(strings.TrimPrefix(target, "docker-archive:")) }()
		out := "docker-archive:" + dir + "/out"
		o := Options{Mode: []Mode{Permitted, Launcher}[seed/3%2], Launcher: fakeLauncher}
		first := o
		first.Out = out
		if _, err := Run(target, first); err != nil {
			if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), target) {
				t.Fatalf("%q", err)
			}
			return
		}
		if r, err := Run(out, o); err != nil || len(r.Files) > 0 {
			t.Fatalf("a second run: %+v, %v", r, err)
		}
	})
}

// FuzzLauncher holds that whatever the layer, no launcher comes into it, or
// archive/tar reads the layer as before but for what a launcher brings.
func FuzzLauncher(f *testing.F) {
	f.Add(tarOf(f, fileSpec{name: "a", caps: effectiveCaps, elf: "amd64", size: 40}))
	f.Add(tarOf(f, fileSpec{name: "bin/", uid: 7}, fileSpec{name: "bin/bsd", libarchive: effectiveCaps, elf: "s390x", uid: 7, size: 60}))
	small := fileSpec{name: "usr/bin/" + strings.Repeat("x", 95), caps: effectiveCaps, elf: "arm64", size: 600}
	f.Add(tarOf(f, fileSpec{name: "./"}, small, fileSpec{name: "z", hard: "usr/bin/y"}))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, layer []byte) {
		fix := newFixture(t)
		fix.docker(plain, layer)
		target := fix.write("docker-archive")
		defer func() { _ = os.Remove(strings.TrimPrefix(target, "docker-archive:")) }()
		o := Options{Mode: Launcher, Launcher: func(arch string) ([]byte, error) { return launcherOf(arch, 8000) }}
		o.Out = "docker-archive:" + dir + "/out"
		r, err := Run(target, o)
		if err != nil || len(r.Files) == 0 {
			return
		}
		old, _ := items(t, layer)
		now, _ := items(t, checkDigests(t, contents(t, o.Out))[0])
		launchers := 0
		for _, f := range r.Files {
			if f.Action == Launcher {
				launchers++
			}
		}
		if len(now) != len(old)+launchers {
			t.Errorf("%d entries became %d, with %d launchers", len(old), len(now), launchers)
		}
	})
}

// TestLaunchers holds how many launchers there are in all, which stay in memory
// until they are written.
func TestLaunchers(t *testing.T) {
	f := newFixer(nil, Options{Launcher: func(string) ([]byte, error) { return nil, nil }})
	for range limit.Launchers.Most {
		if _, err := f.options.Launcher("amd64"); err != nil {
			t.Fatal(err)
		}
	}
	var above *limit.Error
	if _, err := f.options.Launcher("amd64"); !errors.As(err, &above) || above.Limit != limit.Launchers {
		t.Errorf("got %v", err)
	}
}
