//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/capwise/capwise/internal/limit"
)

// TestInputs runs the program on inputs that others made to hurt whoever reads
// them, and prints what it took. CAPWISE_ATTACK=full adds those that take long to
// make.
//
// Nothing may take more than mostMemory, nor more time than its input deserves,
// and what is too much must be said by the limit that it is above.
func TestInputs(t *testing.T) {
	full := os.Getenv("CAPWISE_ATTACK") == "full"
	var table strings.Builder
	for _, a := range attacks() {
		if a.full && !full {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, args := range a.commands(t, dir) {
				r := runMeasured(t, a.wait(), args...)
				fmt.Fprintf(&table, "| %s | %s | %s | %.2f s | %d MiB | %s |\n", a.name, args[0], a.limit, r.cpu.Seconds(), r.memory>>20, r.message())
				a.check(t, args, r)
			}
		})
	}
	t.Logf("\n| input | verb | limit | processor time | memory | message |\n|---|---|---|---|---|---|\n%s", table.String())
}

const (
	mostMemory = 256 << 20
	mostTime   = 2 * time.Second // of processors, unless an attack says another
)

// attack is an input.
type attack struct {
	name  string
	limit string // its name, or what else holds it
	full  bool
	time  time.Duration // of processors; 0 for mostTime
	says  string        // what every command must say; "" where the input is taken
	// commands makes the input, and returns what is run on it.
	commands func(t *testing.T, dir string) [][]string
}

func (a *attack) most() time.Duration {
	if a.time == 0 {
		return mostTime
	}
	return a.time
}

// wait is when it is given up: a command that hangs.
func (a *attack) wait() time.Duration { return 10*a.most() + 20*time.Second }

func (a *attack) check(t *testing.T, args []string, r measured) {
	t.Helper()
	switch {
	case r.hung:
		t.Errorf("%s: hangs", args[0])
	case r.memory > mostMemory:
		t.Errorf("%s: %d MiB", args[0], r.memory>>20)
	case r.cpu > a.most():
		t.Errorf("%s: %s of processor time, want at most %s", args[0], r.cpu, a.most())
	case a.says != "" && (r.code != 1 || !strings.Contains(r.stderr, a.says)):
		t.Errorf("%s: exit code %d, %q; want %q", args[0], r.code, r.stderr, a.says)
	case a.says == "" && r.code == 1:
		t.Errorf("%s: exit code 1, %q", args[0], r.stderr)
	case strings.Count(strings.TrimSpace(r.stderr), "\n") > 0 && a.says != "":
		t.Errorf("%s: %d lines of errors: %q", args[0], strings.Count(r.stderr, "\n"), r.stderr)
	}
}

type measured struct {
	stdout, stderr string
	code           int
	cpu            time.Duration
	memory         int64
	hung           bool
}

func (m *measured) message() string {
	text, _, _ := strings.Cut(strings.TrimSpace(m.stderr), "\n")
	if text == "" {
		text, _, _ = strings.Cut(strings.TrimSpace(m.stdout), "\n")
	}
	if i := strings.LastIndex(text, "image.tar\": "); i > 0 {
		text = text[i+len("image.tar\": "):]
	}
	return strings.ReplaceAll(text, "|", "/")
}

// command returns the program, as a process of its own.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "capwise" // by which TestMain knows what it is
	return cmd
}

func runMeasured(t *testing.T, wait time.Duration, args ...string) measured {
	t.Helper()
	cmd := command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := false
	timer := time.AfterFunc(wait, func() { hung = true; _ = cmd.Process.Kill() })
	memory := watchMemory(cmd.Process.Pid)
	_ = cmd.Wait() // the code says it
	timer.Stop()
	return measured{
		stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode(), hung: hung,
		cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: memory(),
	}
}

// watchMemory looks at the most that a process has had in memory, until it ends.
// What wait4(2) says includes what this process had when it started it.
func watchMemory(pid int) func() int64 {
	most, done := int64(0), make(chan struct{})
	go func() {
		defer close(done)
		for {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, line, ok := strings.Cut(string(text), "VmHWM:")
			if err != nil || !ok {
				return
			}
			var n int64
			if _, err := fmt.Sscan(line, &n); err == nil && strings.Contains(string(text), "Name:\tcapwise") {
				most = max(most, n<<10)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return func() int64 { <-done; return most }
}

// onImage is the verbs that read images.
func onImage(target string) [][]string {
	return [][]string{
		{"scan", target},
		{"explain", "--image", target, "--", "docker", "run", "x"},
		{"fix", "--mode", "permitted", "--dry-run", target},
	}
}

func above(l limit.Limit) string { return l.Check(l.Most + 1).Error() }

func attacks() []attack {
	return append(append(archiveAttacks(), documentAttacks()...), append(fileAttacks(), sourceAttacks()...)...)
}

func archiveAttacks() []attack {
	return []attack{
		{name: "sparse file of 4 TiB in a layer (S5)", limit: "not expanded", commands: func(t *testing.T, dir string) [][]string {
			target := dockerOf(t, dir, append(sparseEntry("usr/bin/bomb", 1<<42, capsRecord, effectiveCaps), tarEnd...))
			return onImage(target)[:2]
		}},
		{name: "sparse file of 4 TiB in tar:", limit: "not expanded", commands: func(t *testing.T, dir string) [][]string {
			file := filepath.Join(dir, "rootfs.tar")
			putFile(t, file, string(append(sparseEntry("usr/bin/bomb", 1<<42, capsRecord, effectiveCaps), tarEnd...)))
			return [][]string{{"scan", "tar:" + file}}
		}},
		{name: "sparse index.json of 4 TiB in oci-archive:", limit: "not expanded", says: "want a plain file, not a sparse one", commands: func(t *testing.T, dir string) [][]string {
			file := filepath.Join(dir, "oci.tar")
			putFile(t, file, string(append(sparseEntry("index.json", 1<<42), tarEnd...)))
			return onImage("oci-archive:" + file)
		}},
		{name: "names of 500,000 bytes (S6)", limit: limit.Name.Name, says: above(limit.Name), commands: func(t *testing.T, dir string) [][]string {
			var layer []byte
			for i := range 8 {
				layer = append(layer, rawEntry("x", nil, '0', "path", fmt.Sprint(i)+strings.Repeat("/a", 250_000))...)
			}
			return onImage(dockerOf(t, dir, append(layer, tarEnd...)))
		}},
		{name: "links of 500,000 bytes", limit: limit.Name.Name, says: above(limit.Name), commands: func(t *testing.T, dir string) [][]string {
			layer := rawEntry("x", nil, '2', "linkpath", strings.Repeat("/a", 250_000))
			return onImage(dockerOf(t, dir, append(layer, tarEnd...)))
		}},
		{name: "names of 2,000 folders", limit: limit.Folders.Name, says: above(limit.Folders), commands: func(t *testing.T, dir string) [][]string {
			layer := rawEntry("x", nil, '0', "path", strings.Repeat("a/", 2000)+"a")
			return onImage(dockerOf(t, dir, append(layer, tarEnd...)))
		}},
		{name: "3,000 names of 4,000 bytes and 250 folders", limit: "linear", time: 8 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			var layer []byte
			for i := range 3_000 {
				layer = append(layer, rawEntry("x", nil, '0', "path", fmt.Sprint(i)+strings.Repeat("/abcdefghijklmno", 249), capsRecord, effectiveCaps)...)
			}
			return onImage(dockerOf(t, dir, append(layer, tarEnd...)))
		}},
		{name: "40,000 whiteouts over 40,000 files (S7)", limit: "linear", time: 500 * time.Millisecond, commands: func(t *testing.T, dir string) [][]string {
			var files, whiteouts []byte
			for i := range 40_000 {
				files = append(files, rawHeader(fmt.Sprintf("d/f%d", i), 0, '0')...)
				whiteouts = append(whiteouts, rawHeader(fmt.Sprintf("d/.wh.f%d", i), 0, '0')...)
			}
			return onImage(dockerOf(t, dir, append(files, tarEnd...), append(whiteouts, tarEnd...)))
		}},
		{name: "20,000 whiteouts of one folder with 20,000 files, in its layer", limit: "linear", time: 500 * time.Millisecond, commands: func(t *testing.T, dir string) [][]string {
			var layer []byte
			for i := range 20_000 {
				layer = append(layer, rawHeader(fmt.Sprintf("d/f%d", i), 0, '0')...)
				layer = append(layer, rawHeader([]string{".wh.d", "d/.wh..wh..opq"}[i%2], 0, '0')...)
			}
			return onImage(dockerOf(t, dir, append(rawHeader("d/x", 0, '0'), tarEnd...), append(layer, tarEnd...)))
		}},
		{name: "129 layers", limit: limit.Layers.Name, says: above(limit.Layers), commands: func(t *testing.T, dir string) [][]string {
			var layers [][]byte
			for i := range 129 {
				layers = append(layers, append(rawHeader(fmt.Sprint(i), 0, '0'), tarEnd...))
			}
			return onImage(dockerOf(t, dir, layers...))
		}},
		{name: "gzip of 200 GiB of zeros", limit: limit.Ratio.Name, says: above(limit.Ratio), full: true, time: 20 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			file := filepath.Join(dir, "l.gz")
			streamLayer(t, file, func(w io.Writer) {
				for i := range 4 { // the limit is met long before
					_, _ = w.Write(rawHeader(fmt.Sprint("f", i), 1<<30, '0'))
					zero(w, 1<<30)
				}
			})
			return onImage(archiveOfFile(t, dir, file, 1))
		}},
		{name: "zstd with a window of 64 MiB", limit: limit.Window.Name, says: above(limit.Window), commands: func(t *testing.T, dir string) [][]string {
			var b bytes.Buffer
			w, err := zstd.NewWriter(&b, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false), zstd.WithEncoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(rawHeader("f", 100<<20, '0'))
			zero(w, 100<<20)
			_, _ = w.Write(tarEnd)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "image.tar")
			dockerArchive(t, file, [][]byte{b.Bytes()}, []string{digestText(nil)})
			return onImage("docker-archive:" + file)
		}},
		{name: "4 Mi empty files", limit: limit.Entries.Name + ", " + limit.Listed.Name, says: "entries in the layers of", full: true, time: 30 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			return onImage(archiveOfFile(t, dir, emptyFiles(t, dir, 4<<20), 1))
		}},
		{name: "20 layers of 4 Mi empty files (S21)", limit: limit.Entries.Name + ", " + limit.Listed.Name, says: "entries in the layers of", full: true, time: 30 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			return onImage(archiveOfFile(t, dir, emptyFiles(t, dir, 4<<20), 20))
		}},
		{name: "100 layers of 900,000 empty files", limit: limit.Entries.Name + ", " + limit.Listed.Name, says: "entries in the layers of", full: true, time: 30 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			return onImage(archiveOfFile(t, dir, emptyFiles(t, dir, 900_000), 100))
		}},
		{name: "1,000,000 empty files", limit: "within " + limit.Entries.Name, full: true, time: 30 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			return onImage(archiveOfFile(t, dir, emptyFiles(t, dir, 1_000_000), 1))
		}},
		{name: "5,000 chains of 200 folders", limit: "within " + limit.Entries.Name, full: true, time: 30 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			file := filepath.Join(dir, "l.gz")
			streamLayer(t, file, func(w io.Writer) {
				for i := range 5000 {
					_, _ = w.Write(rawEntry("x", nil, '0', "path", fmt.Sprint(i)+strings.Repeat("/a", 200)))
				}
				_, _ = w.Write(tarEnd)
			})
			return onImage(archiveOfFile(t, dir, file, 1))
		}},
		{name: "20,000 scripts of 64 KiB", limit: "heads on disk", full: true, time: 120 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			file := filepath.Join(dir, "l.gz")
			script := padded(append([]byte("#!/bin/sh\n"), bytes.Repeat([]byte("0123456789abcdef"), 4096)...))
			streamLayer(t, file, func(w io.Writer) {
				for i := range 20_000 {
					_, _ = w.Write(rawHeader(fmt.Sprintf("s%d", i), len(script), '0'))
					_, _ = w.Write(script)
				}
				_, _ = w.Write(tarEnd)
			})
			return onImage(archiveOfFile(t, dir, file, 1))
		}},
		{name: "capabilities of 900,000 bytes", limit: limit.Kept.Name, says: above(limit.Kept), commands: func(t *testing.T, dir string) [][]string {
			var layer []byte
			for i := range 50 {
				layer = append(layer, rawEntry(fmt.Sprintf("f%d", i), nil, '0', capsRecord, strings.Repeat("x", 900_000))...)
			}
			return onImage(dockerOf(t, dir, append(layer, tarEnd...)))[:2]
		}},
		{name: "malformed capabilities under long names", limit: limit.Kept.Name, says: above(limit.Kept), commands: func(t *testing.T, dir string) [][]string {
			var layer []byte
			for i := range 10_000 {
				layer = append(layer, rawEntry("x", nil, '0', "path", fmt.Sprint(i)+strings.Repeat("x", 4000), capsRecord, "x")...)
			}
			return onImage(dockerOf(t, dir, append(layer, tarEnd...)))
		}},
		{name: "attributes of 900,000 bytes", limit: limit.Kept.Name, says: "bytes of names, links and attributes to keep", time: 5 * time.Second, commands: func(t *testing.T, dir string) [][]string {
			var layer []byte
			for i := range 50 {
				layer = append(layer, rawEntry(fmt.Sprintf("f%d", i), nil, '0', capsRecord, effectiveCaps, "SCHILY.xattr.user.x", strings.Repeat("x", 900_000), "LIBARCHIVE.xattr.security.capability", strings.Repeat("A", 4))...)
			}
			return onImage(dockerOf(t, dir, append(layer, tarEnd...)))[2:]
		}},
	}
}

func zero(w io.Writer, n int) {
	block := make([]byte, 1<<20)
	for ; n > 0; n -= len(block) {
		_, _ = w.Write(block[:min(n, len(block))])
	}
}

func emptyFiles(t *testing.T, dir string, n int) string {
	file := filepath.Join(dir, "l.gz")
	streamLayer(t, file, func(w io.Writer) {
		for i := range n {
			_, _ = w.Write(rawHeader(fmt.Sprintf("%x/%x", i>>10, i), 0, '0'))
		}
		_, _ = w.Write(tarEnd)
	})
	return file
}

// archiveOfFile makes an image of a gzip layer, n times with another entry before.
func archiveOfFile(t *testing.T, dir, file string, n int) string {
	t.Helper()
	layer, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var layers [][]byte
	var ids []string
	for i := range n {
		first := gz(t, rawHeader(fmt.Sprintf("layer%d", i), 0, '0'))
		layers = append(layers, append(first, layer...))
		ids = append(ids, digestText(nil))
	}
	image := filepath.Join(dir, "image.tar")
	dockerArchive(t, image, layers, ids)
	return "docker-archive:" + image
}

func putFile(t testing.TB, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func documentAttacks() []attack {
	manifest := func(text func() string, target string) func(t *testing.T, dir string) [][]string {
		return func(t *testing.T, dir string) [][]string {
			file := filepath.Join(dir, "image.tar")
			archiveFile(t, file, []namedFile{{"manifest.json", []byte(text())}, {"index.json", []byte(text())}})
			return onImage(target + file)
		}
	}
	return []attack{
		{name: "manifest.json of 9 MiB", limit: limit.Document.Name, says: above(limit.Document), commands: manifest(func() string { return "[" + strings.Repeat(" ", 9<<20) + "]" }, "docker-archive:")},
		{name: "index.json of 300,000 values", limit: limit.Values.Name, says: above(limit.Values), commands: manifest(func() string { return "[" + strings.Repeat("0,", 300_000) + "0]" }, "oci-archive:")},
		{name: "index.json 100,000 deep", limit: limit.Depth.Name, says: above(limit.Depth), commands: manifest(func() string { return strings.Repeat("[", 100_000) }, "oci-archive:")},
		{name: "names that differ in case (S13)", limit: "refused", says: "one to readers that do not look at case", commands: manifest(func() string {
			return `[{"Config":"a","Layers":[],"layers":["b"]}]`
		}, "docker-archive:")},
		{name: "a manifest with names that differ by the Kelvin sign", limit: "refused", says: "one to readers that do not look at case", commands: manifest(func() string {
			return "{\"manifests\":[],\"K\":1,\"\u212a\":2}"
		}, "oci-archive:")},
		{name: "indexes in indexes", limit: limit.Nesting.Name, says: above(limit.Nesting), commands: func(t *testing.T, dir string) [][]string {
			l := &layoutWriter{t: t, dir: filepath.Join(dir, "layout")}
			d := l.put([]byte("{}"))
			for range 12 {
				d["mediaType"] = "application/vnd.oci.image.index.v1+json"
				d = l.put(l.json(map[string]any{"manifests": []any{d}}))
			}
			l.manifests = []any{d}
			l.finish()
			return onImage("oci:" + l.dir)
		}},
		{name: "one image 1,001 times", limit: limit.Images.Name, says: above(limit.Images), commands: func(t *testing.T, dir string) [][]string {
			l := &layoutWriter{t: t, dir: filepath.Join(dir, "layout")}
			var all []any
			for i := range 1001 {
				all = append(all, l.image(fmt.Sprint(i), append(rawHeader(fmt.Sprint(i), 0, '0'), tarEnd...)))
			}
			d := l.put(l.json(map[string]any{"manifests": all}))
			d["mediaType"] = "application/vnd.oci.image.index.v1+json"
			l.manifests = []any{d}
			l.finish()
			return onImage("oci:" + l.dir)
		}},
		{name: "70 files with 1,000,000 bytes of headers each", limit: limit.FileHeaders.Name, says: above(limit.FileHeaders), commands: func(t *testing.T, dir string) [][]string {
			one := rawEntry("x", nil, '0', "SCHILY.xattr.user.x", strings.Repeat("x", 1_000_000))
			return onImage("docker-archive:" + putFile(t, filepath.Join(dir, "image.tar"), strings.Repeat(string(one), 70)+string(tarEnd)))
		}},
		{name: "2 MiB of headers of one entry", limit: limit.Headers.Name, says: above(limit.Headers), commands: func(t *testing.T, dir string) [][]string {
			one := rawEntry("x", nil, '0', "SCHILY.xattr.user.x", strings.Repeat("x", 2<<20))
			return onImage("docker-archive:" + putFile(t, filepath.Join(dir, "image.tar"), string(one)+string(tarEnd)))
		}},
		{name: "100,001 files in an archive", limit: limit.Files.Name, says: above(limit.Files), commands: func(t *testing.T, dir string) [][]string {
			var b []byte
			for i := range 100_001 {
				b = append(b, rawHeader(fmt.Sprint(i), 0, '0')...)
			}
			return onImage("docker-archive:" + putFile(t, filepath.Join(dir, "image.tar"), string(append(b, tarEnd...))))
		}},
	}
}

func fileAttacks() []attack {
	fifo := func(t *testing.T, name string) string {
		t.Helper()
		_ = os.Remove(name)
		if err := syscall.Mkfifo(name, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return []attack{
		{name: "a FIFO as index.json (S11)", limit: "not opened", says: "want a regular file, not a FIFO", commands: func(t *testing.T, dir string) [][]string {
			target := layoutOf(t, dir, tarEnd, "a")
			fifo(t, filepath.Join(dir, "layout/index.json"))
			return onImage(target)
		}},
		{name: "FIFOs as blobs", limit: "not opened", says: "want a regular file, not a FIFO", commands: func(t *testing.T, dir string) [][]string {
			target := layoutOf(t, dir, tarEnd, "a")
			blobs, err := filepath.Glob(filepath.Join(dir, "layout/blobs/sha256/*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range blobs {
				fifo(t, b)
			}
			return onImage(target)
		}},
		{name: "a FIFO as an archive", limit: "not opened", says: "want a regular file, not a FIFO", commands: func(t *testing.T, dir string) [][]string {
			name := fifo(t, filepath.Join(dir, "f"))
			return append(append(onImage("docker-archive:"+name), onImage("oci-archive:"+name)...), []string{"scan", "tar:" + name}, []string{"explain", "-f", name})
		}},
		{name: "/dev/zero as an archive", limit: "not opened", says: "want a regular file, not a device", commands: func(t *testing.T, _ string) [][]string {
			return append(onImage("docker-archive:/dev/zero"), []string{"scan", "tar:/dev/zero"}, []string{"explain", "-f", "/dev/zero"})
		}},
		{name: "a folder as an archive", limit: "not opened", says: "want a regular file, not a directory", commands: func(t *testing.T, dir string) [][]string {
			return onImage("docker-archive:" + dir)
		}},
		{name: "a FIFO that a compose file includes", limit: "not opened", says: "want a regular file, not a FIFO", commands: func(t *testing.T, dir string) [][]string {
			fifo(t, filepath.Join(dir, "f"))
			a := putFile(t, filepath.Join(dir, "a.yaml"), "include: [f]\nservices: {}\n")
			b := putFile(t, filepath.Join(dir, "b.yaml"), "services:\n  x: {extends: {file: f, service: y}}\n")
			c := putFile(t, filepath.Join(dir, "c.yaml"), "x-v: &v [f]\ninclude: *v\nservices: {}\n")
			return [][]string{{"explain", "-f", a}, {"explain", "-f", b}, {"explain", "-f", c}}
		}},
	}
}

func sourceAttacks() []attack {
	explain := func(name, text string, more ...string) func(t *testing.T, dir string) [][]string {
		return func(t *testing.T, dir string) [][]string {
			return [][]string{append([]string{"explain", "--file-caps", "=", "-f", putFile(t, filepath.Join(dir, name), text)}, more...)}
		}
	}
	return []attack{
		{
			name: "all ports, twice, in 76 bytes of compose (S12)", limit: "ranges stay ranges", time: 200 * time.Millisecond,
			commands: explain("compose.yaml", "services:\n  a:\n    image: x\n    ports: ['1-65535:1-65535','1-65535:1-65535/udp']\n"),
		},
		{
			name: "all ports in 200 services", limit: "ranges stay ranges", time: time.Second,
			commands: explain("compose.yaml", "services:\n"+strings.Repeat("%", 0)+services(200, "{image: x, ports: ['1-65535:1-65535', '0-65535:0-65535/udp']}")),
		},
		{name: "docker -p and --expose of all ports", limit: "ranges stay ranges", time: 200 * time.Millisecond, commands: func(*testing.T, string) [][]string {
			return [][]string{{"explain", "--file-caps", "=", "--", "docker", "run", "-p", "1-65535:1-65535", "--expose", "1-65535/udp", "x"}}
		}},
		{name: "a compose file of 5 MiB", limit: limit.Compose.Name, says: above(limit.Compose), commands: explain("compose.yaml", "services: {}\n#"+strings.Repeat("x", 5<<20))},
		{name: "101 compose files", limit: limit.Includes.Name, says: above(limit.Includes), commands: func(t *testing.T, dir string) [][]string {
			for i := range 101 {
				putFile(t, filepath.Join(dir, fmt.Sprintf("f%d", i)), fmt.Sprintf("include: [f%d]\nservices: {}\n", i+1))
			}
			return [][]string{{"explain", "-f", filepath.Join(dir, "f0")}}
		}},
		{name: "an alias", limit: "linear", says: "", commands: explain("compose.yaml", "x-l: &x {a: '1'}\nservices:\n  a: {image: x, labels: *x}\n")},
		{name: "a drop-in of 5 MiB", limit: limit.Unit.Name, says: above(limit.Unit), commands: func(t *testing.T, dir string) [][]string {
			if err := os.Mkdir(filepath.Join(dir, "x.service.d"), 0o755); err != nil {
				t.Fatal(err)
			}
			putFile(t, filepath.Join(dir, "x.service.d/a.conf"), "[Service]\n#"+strings.Repeat("x", 5<<20))
			return [][]string{{"explain", "-f", putFile(t, filepath.Join(dir, "x.service"), "[Service]\nExecStart=/bin/x\n")}}
		}},
		{name: "a FIFO as drop-in", limit: "not opened", says: "want a regular file, not a FIFO", commands: func(t *testing.T, dir string) [][]string {
			if err := os.Mkdir(filepath.Join(dir, "x.service.d"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(filepath.Join(dir, "x.service.d/a.conf"), 0o644); err != nil {
				t.Fatal(err)
			}
			return [][]string{{"explain", "-f", putFile(t, filepath.Join(dir, "x.service"), "[Service]\nExecStart=/bin/x\n")}}
		}},
		{name: "a file of 65 MiB", limit: limit.Source.Name, says: above(limit.Source), commands: explain("unit.service", "[Service]\nExecStart=/bin/x\n#"+strings.Repeat("x", 65<<20))},
	}
}

func services(n int, text string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  s%d: %s\n", i, text)
	}
	return b.String()
}
