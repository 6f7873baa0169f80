package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/capwise/capwise/cmd/capwise/internal/compose"
	"github.com/capwise/capwise/cmd/capwise/internal/kubernetes"
	"github.com/capwise/capwise/image/fix"
	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/engine"
	"github.com/capwise/capwise/scenario/oci"
	"github.com/capwise/capwise/scenario/unit"
)

// doubled is a reader of what others made, with an input of size n.
type doubled struct {
	name string
	n    int
	make func(t testing.TB, dir string, n int) (read func() error)
}

func repeat(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(i))
	}
	return b.String()
}

// entries is an archive of so many empty files, each in a folder of its own.
func entries(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, rawHeader(fmt.Sprintf("d%d/f", i), 0, '0')...)
	}
	return append(b, tarEnd...)
}

func scanImage(target string) func() error {
	return func() error {
		source, err := rootfs.Open(target, rootfs.Options{})
		if err != nil {
			return err
		}
		return errors.Join(source.Each(func(i *rootfs.Image) error { _ = i.Capable(); return nil }), source.Close())
	}
}

func fixImage(target string) func() error {
	return func() error {
		_, err := fix.Run(target, fix.Options{Mode: fix.Permitted, DryRun: true})
		return err
	}
}

func whiteoutLayers(n int) [][]byte {
	var files, gone []byte
	for i := range n {
		files = append(files, rawHeader(fmt.Sprintf("d/f%d", i), 0, '0')...)
		gone = append(gone, rawHeader(fmt.Sprintf("d/.wh.f%d", i), 0, '0')...)
	}
	return [][]byte{append(files, tarEnd...), append(gone, tarEnd...)}
}

// manyFiles is an archive of an image, in which there are n other files.
func manyFiles(t testing.TB, dir string, n int) string {
	file := filepath.Join(dir, "files.tar")
	layer := entries(1)
	config := fmt.Sprintf(`{"rootfs":{"diff_ids":[%q]}}`, digestText(layer))
	files := []namedFile{{"c", []byte(config)}, {"l", layer}, {"manifest.json", []byte(`[{"Config":"c","Layers":["l"]}]`)}}
	for i := range n {
		files = append(files, namedFile{fmt.Sprint("x", i), nil})
	}
	archiveFile(t, file, files)
	return "docker-archive:" + file
}

func capable(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, rawEntry(fmt.Sprintf("d%d/f", i), []byte("x"), '0', capsRecord, effectiveCaps)...)
	}
	return append(b, tarEnd...)
}

// images is a layout of n images.
func images(t testing.TB, dir string, n int) string {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprint("t", i))
	}
	return layoutOf(t, dir, entries(1), tags...)
}

func imageReaders() []doubled {
	return []doubled{
		{"scan: layer and tree", 8000, func(t testing.TB, dir string, n int) func() error {
			return scanImage(dockerOf(t, dir, entries(n)))
		}},
		{"scan: whiteouts", 8000, func(t testing.TB, dir string, n int) func() error {
			return scanImage(dockerOf(t, dir, whiteoutLayers(n)...))
		}},
		{"scan: capable files", 5000, func(t testing.TB, dir string, n int) func() error {
			return scanImage(dockerOf(t, dir, capable(n)))
		}},
		{"scan: files of an archive", 8000, func(t testing.TB, dir string, n int) func() error { return scanImage(manyFiles(t, dir, n)) }},
		{"fix: layer", 8000, func(t testing.TB, dir string, n int) func() error { return fixImage(dockerOf(t, dir, entries(n))) }},
		{"fix: whiteouts", 8000, func(t testing.TB, dir string, n int) func() error {
			return fixImage(dockerOf(t, dir, whiteoutLayers(n)...))
		}},
		{"fix: capable files, and the patch of gzip", 2000, func(t testing.TB, dir string, n int) func() error {
			return fixImage(dockerOf(t, dir, capable(n)))
		}},
		{"fix: images of a layout", 60, func(t testing.TB, dir string, n int) func() error { return fixImage(images(t, dir, n)) }},
		{"scan: names of 250 folders", 500, func(t testing.TB, dir string, n int) func() error {
			var b []byte
			for i := range n {
				b = append(b, rawEntry("x", nil, '0', "path", fmt.Sprint(i)+strings.Repeat("/abcdefgh", 249), capsRecord, effectiveCaps)...)
			}
			return scanImage(dockerOf(t, dir, append(b, tarEnd...)))
		}},
		{"rawjson: values", 16_000, func(t testing.TB, dir string, n int) func() error {
			file := filepath.Join(dir, "image.tar")
			archiveFile(t, file, []namedFile{{"manifest.json", []byte("[" + strings.Repeat(`{"a":[1,"b"]},`, n) + "0]")}})
			read := scanImage("docker-archive:" + file)
			return func() error {
				if err := read(); err == nil || !strings.Contains(err.Error(), "image 1: no Config") {
					return fmt.Errorf("read: %w", err)
				}
				return nil
			}
		}},
	}
}

func sourceReaders() []doubled {
	return []doubled{
		{"compose: services", 500, func(t testing.TB, dir string, n int) func() error {
			file := filepath.Join(dir, "compose.yaml")
			text := "services:\n" + repeat(n, func(i int) string { return fmt.Sprintf("  s%d: {image: x, ports: ['80:80', '1-1000:1-1000']}\n", i) })
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return func() error { _, err := compose.Options{}.Load([]string{file}); return err }
		}},
		{"compose: ports", 1000, func(t testing.TB, dir string, n int) func() error {
			file := filepath.Join(dir, "compose.yaml")
			text := "services:\n  a:\n    image: x\n    ports:\n" + repeat(n, func(i int) string { return fmt.Sprintf("    - '%d:%d'\n", i+1, i+1) })
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return func() error { _, err := compose.Options{}.Load([]string{file}); return err }
		}},
		{"kubernetes: documents", 300, func(_ testing.TB, _ string, n int) func() error {
			text := []byte(repeat(n, func(i int) string {
				return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\nspec: {containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}\n---\n", i)
			}))
			return func() error {
				_, err := kubernetes.Parse(text, "x", scenario.Runtime{Name: scenario.Containerd})
				return err
			}
		}},
		{"kubernetes: ports", 5000, func(_ testing.TB, _ string, n int) func() error {
			text := []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: x\n    ports:\n" +
				repeat(n, func(i int) string { return fmt.Sprintf("    - containerPort: %d\n", i+1) }))
			return func() error {
				_, err := kubernetes.Parse(text, "x", scenario.Runtime{Name: scenario.Containerd})
				return err
			}
		}},
		{"unit: lines", 20_000, func(_ testing.TB, _ string, n int) func() error {
			text := "[Service]\nExecStart=/bin/x\n" + repeat(n, func(int) string { return "CapabilityBoundingSet=CAP_NET_RAW\n" })
			return func() error {
				_, err := unit.Parse(unit.Unit{File: unit.File{Name: "x.service", Text: text}, System: unit.System{Version: "252"}})
				return err
			}
		}},
		{"engine: ports", 30_000, func(_ testing.TB, _ string, n int) func() error {
			args := []string{"docker", "run"}
			for i := range n {
				args = append(args, "-p", fmt.Sprint(i+1), "--cap-add", "NET_RAW")
			}
			args = append(args, "x")
			return func() error { _, err := engine.Caller{}.Parse(args); return err }
		}},
		{"oci: config.json", 60_000, func(t testing.TB, _ string, n int) func() error {
			var env []string
			for i := range n {
				env = append(env, fmt.Sprintf("V%d=x", i))
			}
			text, err := json.Marshal(map[string]any{"ociVersion": "1.0.2", "process": map[string]any{"args": []string{"x"}, "env": env}})
			if err != nil {
				t.Fatal(err)
			}
			return func() error { _, _, err := oci.Parse(text, "config.json"); return err }
		}},
	}
}

// TestLinear doubles the input of every reader, and wants less than 2.5 times the
// work: what it allocates, in number and in bytes. The benchmark does the same with
// time.
func TestLinear(t *testing.T) {
	for _, r := range append(imageReaders(), sourceReaders()...) {
		t.Run(r.name, func(t *testing.T) {
			one := allocated(t, r.make(t, t.TempDir(), r.n))
			two := allocated(t, r.make(t, t.TempDir(), 2*r.n))
			for i, what := range []string{"allocations", "bytes"} {
				if ratio := two[i] / one[i]; ratio > 2.5 {
					t.Errorf("%s: %.0f, and of twice as much %.0f, which is %.2f times", what, one[i], two[i], ratio)
				}
			}
		})
	}
}

func allocated(t *testing.T, read func() error) [2]float64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := read(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return [2]float64{float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)}
}

// BenchmarkLinear reports how many times the processor time of an input one of
// twice its size takes.
func BenchmarkLinear(b *testing.B) {
	for _, r := range append(imageReaders(), sourceReaders()...) {
		b.Run(strings.ReplaceAll(r.name, " ", "_"), func(b *testing.B) {
			one, two := r.make(b, b.TempDir(), r.n), r.make(b, b.TempDir(), 2*r.n)
			first, second := math.Inf(1), math.Inf(1) // the least of each: what else the machine does comes on top
			for b.Loop() {
				first, second = min(first, spent(b, one)), min(second, spent(b, two))
			}
			b.ReportMetric(second/first, "ratio")
			if b.N > 2 && second > 2.5*first {
				b.Errorf("twice as much takes %.2f times the processor time", second/first)
			}
		})
	}
}

func spent(b *testing.B, read func() error) float64 {
	b.Helper()
	runtime.GC() // of what was before
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	if err := read(); err != nil {
		b.Fatal(err)
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	of := func(u syscall.Rusage) int64 { return u.Utime.Nano() + u.Stime.Nano() }
	return float64(of(after) - of(before))
}
