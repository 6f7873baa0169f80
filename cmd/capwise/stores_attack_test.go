//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	testregistry "github.com/google/go-containerregistry/pkg/registry"

	"github.com/capwise/capwise/internal/kerneltest"
	"github.com/capwise/capwise/internal/limit"
)

// TestLayoutTogether runs fix on one layout from several processes at once, on
// different tags and on the same, beside a program that knows of no locks (S4).
// Nobody may lose anything: each run succeeds, or refuses and says why, and what
// the index names is there.
func TestLayoutTogether(t *testing.T) {
	rounds := 5
	if os.Getenv("CAPWISE_ATTACK") == "full" {
		rounds = 100
	}
	for i := range rounds {
		dir := t.TempDir()
		archive := append(rawEntry("bin/a", []byte("#!/bin/sh\n"), '0', capsRecord, effectiveCaps), tarEnd...)
		target := layoutOf(t, dir, archive, "a", "b", "c")
		layout := strings.TrimPrefix(target, "oci:")
		stop := make(chan struct{})
		var writer sync.WaitGroup
		added, overwrote := 0, false
		if i%2 == 0 {
			writer.Go(func() { added, overwrote = addTags(t, layout, stop) })
		}
		var runs sync.WaitGroup
		errs := make([]string, 4)
		for n, tag := range []string{"a", "b", "a", "c"} {
			runs.Go(func() {
				out, err := command(t, "fix", "--mode", "permitted", target+":"+tag).CombinedOutput()
				if err != nil {
					errs[n] = string(out)
				}
			})
		}
		runs.Wait()
		close(stop)
		writer.Wait()
		if overwrote { // and so has undone a run: what is then in the layout is its doing
			t.Log("the other program has overwritten the index of a run")
			continue
		}
		for _, e := range errs {
			if e != "" && !strings.Contains(e, "another program has replaced") {
				t.Errorf("a run says: %s", e)
			}
		}
		images, _ := checkLayout(t, layout)
		if images != 3+added {
			t.Errorf("%d images in the index, want %d", images, 3+added)
		}
		left, err := filepath.Glob(filepath.Join(layout, "*", "*", ".*capwise*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left are %q, %v", left, err)
		}
	}
}

// addTags adds tags to a layout as tools do that know of no locks: an image of its
// own, and one more name for a blob that is there. It does not add while the index
// has changed under it. That it changes between the check and the replacement, no such
// tool can exclude: it then ends, and says that it has overwritten it.
func addTags(t *testing.T, layout string, stop chan struct{}) (added int, overwrote bool) {
	index := filepath.Join(layout, "index.json")
	w := &layoutWriter{t: t, dir: layout}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return n, false
		case <-time.After(15 * time.Millisecond):
		}
		image := w.image(fmt.Sprintf("new%d", n), append(rawHeader(fmt.Sprintf("f%d", n), 0, '0'), tarEnd...))
		for {
			raw, err := os.ReadFile(index)
			if err != nil {
				t.Error(err)
				return n, false
			}
			var doc map[string]any
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Error(err)
				return n, false
			}
			doc["manifests"] = append(doc["manifests"].([]any), image)
			replaced, overwrote := exchange(t, index, raw, w.json(doc))
			if overwrote {
				return n, true
			}
			if replaced {
				break
			}
		}
	}
}

// exchange writes a file if its content is still the old, and says whether it was
// another all the same that it has replaced: between the two is next to no time.
func exchange(t *testing.T, file string, old, now []byte) (replaced, overwrote bool) {
	tmp := file + ".other"
	if err := os.WriteFile(tmp, now, 0o644); err != nil {
		t.Error(err)
	}
	again, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(again, old) {
		return false, false
	}
	if err := kerneltest.Exchange(tmp, file); err != nil {
		t.Error(err)
	}
	was, err := os.ReadFile(tmp)
	if err := errors.Join(err, os.Remove(tmp)); err != nil {
		t.Error(err)
	}
	return true, !bytes.Equal(was, old)
}

// TestLayoutLocked holds that a run waits for the lock of a layout, and one that
// only reads does not wait for a reader.
func TestLayoutLocked(t *testing.T) {
	target := layoutOf(t, t.TempDir(), tarEnd, "a")
	folder, err := os.Open(strings.TrimPrefix(target, "oci:"))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, "fix", "--mode", "permitted", "--dry-run", target).CombinedOutput(); err != nil {
		t.Errorf("a dry run beside a reader: %v, %s", err, out)
	}
	cmd := command(t, "fix", "--mode", "permitted", target)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		t.Errorf("it does not wait: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// slowRegistry is a registry with the image of a layout at a/b:v1, which stops in
// the middle of the layer for as long as it is held.
type slowRegistry struct {
	name     string
	held     atomic.Bool
	reached  chan struct{}
	released chan struct{}
}

func startSlow(t *testing.T) *slowRegistry {
	t.Helper()
	s := &slowRegistry{reached: make(chan struct{}, 100), released: make(chan struct{})}
	handler := testregistry.New(testregistry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.held.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			w.Header().Set("Content-Length", "100") // fewer than any blob has
			_, _ = w.Write(make([]byte, 10))
			_ = http.NewResponseController(w).Flush()
			s.reached <- struct{}{}
			select {
			case <-s.released:
			case <-r.Context().Done():
			}
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(s.released) })
	s.name = strings.TrimPrefix(server.URL, "http://") + "/a/b:v1"
	archive := append(rawEntry("bin/a", []byte("#!/bin/sh\n"), '0', capsRecord, effectiveCaps), tarEnd...)
	layout := layoutOf(t, t.TempDir(), archive, "a")
	if out, err := command(t, "fix", "--mode", "permitted", layout+":a", "-o", "registry:"+s.name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

// TestInterrupted holds that SIGINT and SIGTERM leave nothing temporary, and that
// what SIGKILL leaves is removed by the next run, but nothing that a run has in
// use or that is another's.
func TestInterrupted(t *testing.T) {
	s := startSlow(t)
	tmp := t.TempDir()
	start := func(args ...string) *exec.Cmd {
		cmd := command(t, args...)
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-s.reached
		return cmd
	}
	left := func() []string {
		found, err := filepath.Glob(filepath.Join(tmp, "capwise-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	out := filepath.Join(t.TempDir(), "out")
	fix := []string{"fix", "--mode", "permitted", "registry:" + s.name, "-o", "oci:" + out}
	s.held.Store(true)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, args := range [][]string{fix, {"scan", "registry:" + s.name}} {
			cmd := start(args...)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the state says it
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != signal {
				t.Errorf("%s at %s: %v", args[0], signal, cmd.ProcessState)
			}
			if l := left(); len(l) > 0 {
				t.Errorf("%s at %s leaves %q", args[0], signal, l)
			}
		}
	}
	killed := start(fix...)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	stale := left()
	if len(stale) != 1 {
		t.Fatalf("left by SIGKILL are %q", stale)
	}
	live := start(fix...)
	inUse := left()
	if len(inUse) != 1 || inUse[0] == stale[0] {
		t.Errorf("%q is removed by the next run, which leaves %q", stale, inUse)
	}
	own := filepath.Join(tmp, "capwise-registry-mine")
	link := filepath.Join(tmp, "capwise-registry-1")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	other := start(fix...)
	for _, name := range []string{inUse[0], own, link} {
		if _, err := os.Lstat(name); err != nil {
			t.Errorf("another run removes %s: %v", name, err)
		}
	}
	for _, cmd := range []*exec.Cmd{live, other} {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a half-written layout is at its place")
	}
}

// TestInterruptedInPlace interrupts fix at many moments while it changes a layout
// and an archive: each is the old or the new, and nothing is left beside it.
func TestInterruptedInPlace(t *testing.T) {
	archive := append(rawEntry("bin/a", bytes.Repeat([]byte("0123456789abcdef"), 100_000), '0', capsRecord, effectiveCaps), tarEnd...)
	for i := range 24 {
		dir := t.TempDir()
		layout := layoutOf(t, dir, archive, "a")
		target := []string{layout, dockerOf(t, dir, archive)}[i%2]
		cmd := command(t, "fix", "--mode", "permitted", target)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 2 * time.Millisecond)
		_ = cmd.Process.Signal([]os.Signal{syscall.SIGTERM, syscall.SIGINT}[i/2%2])
		_ = cmd.Wait()
		_, blobs := checkLayout(t, strings.TrimPrefix(layout, "oci:"))
		if blobs != 3 {
			t.Errorf("after %d: %d blobs, want the old 3 or the new 3", i, blobs)
		}
		err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
			if strings.Contains(name, ".capwise-") {
				t.Errorf("after %d: %s is left", i, name)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if out, err := command(t, "scan", target).CombinedOutput(); err != nil {
			t.Errorf("after %d: %v: %s", i, err, out)
		}
	}
}

// TestScanLayers reads images of many layers from a registry: an answer that was
// not closed for each made it wait for ever at the fourth (S8). Twice as many
// layers are twice as many requests.
func TestScanLayers(t *testing.T) {
	var requests atomic.Int64
	handler := testregistry.New(testregistry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	asked := map[string]int64{}
	for _, layers := range []int{12, 24} {
		l := &layoutWriter{t: t, dir: filepath.Join(t.TempDir(), "layout")}
		var archives [][]byte
		for i := range layers {
			archives = append(archives, append(rawEntry(fmt.Sprintf("bin/%d", i), []byte("#!/bin/sh\n"), '0', capsRecord, effectiveCaps), tarEnd...))
		}
		l.image("a", archives...)
		l.finish()
		name := fmt.Sprintf("registry:%s/a/b%d:v1", strings.TrimPrefix(server.URL, "http://"), layers)
		if out, err := command(t, "fix", "--mode", "permitted", "oci:"+l.dir+":a", "-o", name).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, args := range [][]string{{"scan", name}, {"explain", "--image", name, "--", "docker", "run", "x", "/bin/1"}, {"fix", "--dry-run", "--mode", "permitted", name}} {
			requests.Store(0)
			r := runMeasured(t, 20*time.Second, args...)
			if r.hung || r.code == 1 {
				t.Errorf("%s: hangs %v, exit code %d, %s", args[0], r.hung, r.code, r.stderr)
			}
			if before := asked[args[0]]; before > 0 && requests.Load() > before*5/2 {
				t.Errorf("%s: %d requests for 12 layers, %d for 24", args[0], before, requests.Load())
			}
			asked[args[0]] = requests.Load()
		}
	}
}

// TestForeignURLs holds that what a manifest says where a layer lies besides is not
// fetched (S18).
func TestForeignURLs(t *testing.T) {
	asked := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer elsewhere.Close()
	server := httptest.NewServer(testregistry.New(testregistry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	l := &layoutWriter{t: t, dir: filepath.Join(t.TempDir(), "layout")}
	l.image("a", append(rawHeader("f", 0, '0'), tarEnd...))
	l.finish()
	host := server.URL + "/v2/a/b/"
	config := `{"rootfs":{"diff_ids":["` + digestText([]byte("x")) + `"]}}`
	raw := l.json(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digestText([]byte(config)), "size": len(config)},
		"layers": []any{map[string]any{
			"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "digest": digestText([]byte("x")), "size": 1,
			"urls": []string{strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1) + "/secret"},
		}},
	})
	put := func(url string, body []byte) {
		request, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil || answer.StatusCode >= 300 {
			t.Fatalf("%s: %v, %v", url, answer, err)
		}
		_ = answer.Body.Close()
	}
	upload, err := http.Post(host+"blobs/uploads/?digest="+digestText([]byte(config)), "application/octet-stream", strings.NewReader(config))
	if err != nil || upload.StatusCode >= 300 {
		t.Fatalf("%v, %v", upload, err)
	}
	put(host+"manifests/v1", raw)
	name := "registry:" + strings.TrimPrefix(server.URL, "http://") + "/a/b:v1"
	for _, verb := range [][]string{{"scan", name}, {"explain", "--image", name, "--", "docker", "run", "x"}, {"fix", "--dry-run", name}} {
		if out, err := command(t, verb...).CombinedOutput(); err == nil || len(asked) > 0 || !strings.Contains(string(out), "urls, which are not fetched") {
			t.Errorf("%s: %v, %s, and %d requests elsewhere", verb[0], err, out, len(asked))
		}
	}
}

// TestLostReport holds that exit code and message tell the truth of an image that
// was written and whose report was not (S19).
func TestLostReport(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full: %v", err)
	}
	defer full.Close()
	for _, more := range [][]string{nil, {"--format", "json"}} {
		dir := t.TempDir()
		target := dockerOf(t, dir, append(rawEntry("bin/a", []byte("#!/bin/sh\n"), '0', capsRecord, effectiveCaps), tarEnd...))
		out := "docker-archive:" + filepath.Join(dir, "out.tar")
		cmd := command(t, append([]string{"fix", "--mode", "permitted", target, "-o", out}, more...)...)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = full, &stderr
		if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), "written: "+out+", but the report of it could not be") {
			t.Errorf("%v: %s", err, stderr.String())
		}
		if _, err := os.Stat(filepath.Join(dir, "out.tar")); err != nil {
			t.Error(err)
		}
		cmd = command(t, append([]string{"fix", "--mode", "permitted", "--dry-run", target}, more...)...)
		stderr.Reset()
		cmd.Stdout, cmd.Stderr = full, &stderr
		if err := cmd.Run(); err == nil || strings.Contains(stderr.String(), "written") {
			t.Errorf("a dry run: %v: %s", err, stderr.String())
		}
	}
}

// countingDocker makes a command docker that saves one image whatever it is asked for,
// and notes in dir/asked what it was asked. It returns the folder that it is in.
func countingDocker(t *testing.T, dir string) string {
	t.Helper()
	image := strings.TrimPrefix(dockerOf(t, dir, append(rawEntry("bin/x", []byte("\x7fELF"), '0'), tarEnd...)), "docker-archive:")
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>%s/asked\ncase $1 in save) cat %s;; *) echo 24.0.6;; esac\n", dir, image)
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestSavedOnce holds that the engine is asked once for an image, however many
// services name it, and that nothing of the caller's environment is in the answer
// (S20).
func TestSavedOnce(t *testing.T) {
	dir := t.TempDir()
	bin := countingDocker(t, dir)
	file := putFile(t, filepath.Join(dir, "compose.yaml"), "services:\n"+services(2000, "{image: 'x:1', user: '${SECRET}7'}"))
	cmd := command(t, "explain", "-f", file)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "SECRET=hunter2", "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "hunter2") || !strings.Contains(string(out), "variables without a value here: SECRET") {
		t.Errorf("%v: %.1000s", err, out)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || strings.Count(string(asked), "save") != 1 || strings.Count(string(asked), "version") != 1 {
		t.Errorf("the engine was asked: %s, %v", asked, err)
	}
}

// TestAsked holds how many images the engine is asked for: it is said of those
// that it is not asked for.
func TestAsked(t *testing.T) {
	dir := t.TempDir()
	bin := countingDocker(t, dir)
	var text strings.Builder
	for i := range 105 {
		fmt.Fprintf(&text, "  s%d: {image: 'x:%d'}\n", i, i)
	}
	cmd := command(t, "explain", "-f", putFile(t, filepath.Join(dir, "compose.yaml"), "services:\n"+text.String()))
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	said := "note on 5 of these: " + limit.Asked.Check(limit.Asked.Most+1).Error()
	if err != nil || strings.Count(string(out), said) != 1 {
		t.Errorf("%v: %.1000s", err, out)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || strings.Count(string(asked), "save") != int(limit.Asked.Most) {
		t.Errorf("asked for %d images, %v", strings.Count(string(asked), "save"), err)
	}
}
