package fix

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/capwise/capwise/image/store"

	"github.com/google/go-containerregistry/pkg/name"
	testregistry "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// server is a registry that counts what is sent to it.
type server struct {
	host string
	mu   sync.Mutex
	sent []string // method and path of what changes it
	// before is called for each of them; what it returns is the answer, if not 0.
	before func(r *http.Request) int
}

func startRegistry(t *testing.T) *server {
	t.Helper()
	handler := testregistry.New(testregistry.Logger(log.New(io.Discard, "", 0)), testregistry.WithReferrersSupport(true))
	s := &server{}
	http := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		before := s.before
		if r.Method == http.MethodPost || r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			s.sent = append(s.sent, r.Method+" "+r.URL.Path)
		}
		s.mu.Unlock()
		if before != nil {
			if code := before(r); code != 0 {
				w.WriteHeader(code)
				return
			}
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(http.Close)
	s.host = strings.TrimPrefix(http.URL, "http://")
	return s
}

// uploads counts blobs and manifests that were sent since the last call.
func (s *server) uploads() (blobs int, manifests []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range s.sent {
		if path, ok := strings.CutPrefix(what, "PUT "); ok {
			manifests = append(manifests, path[strings.LastIndexByte(path, '/')+1:])
		} else {
			blobs++
		}
	}
	s.sent = nil
	return blobs, manifests
}

// push puts the first image of a layout into the registry, by another program.
func (s *server) push(t *testing.T, target, to string) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(strings.TrimPrefix(target, "oci:"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(s.host + "/" + to)
	if err != nil {
		t.Fatal(err)
	}
	if d := m.Manifests[0]; d.MediaType.IsIndex() {
		inner, errInner := index.ImageIndex(d.Digest)
		if errInner != nil {
			t.Fatal(errInner)
		}
		err = remote.WriteIndex(ref, inner)
	} else {
		img, errImage := index.Image(d.Digest)
		if errImage != nil {
			t.Fatal(errImage)
		}
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.uploads()
}

// pull returns the blobs and manifests that a tag leads to, as files of a layout.
func (s *server) pull(t *testing.T, from string) map[string][]byte {
	t.Helper()
	ref, err := name.ParseReference(s.host + "/" + from)
	if err != nil {
		t.Fatal(err)
	}
	d, err := remote.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pulled")
	l, err := layout.Write(path, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if d.MediaType.IsIndex() {
		index, errIndex := d.ImageIndex()
		if errIndex != nil {
			t.Fatal(errIndex)
		}
		err = l.AppendIndex(index)
	} else {
		img, errImage := d.Image()
		if errImage != nil {
			t.Fatal(errImage)
		}
		err = l.AppendImage(img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return contents(t, "oci:"+path)
}

// blobsOf leaves out the files of a layout that a registry does not have.
func blobsOf(files map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	for name, b := range files {
		if strings.HasPrefix(name, "blobs/") {
			out[name] = b
		}
	}
	return out
}

func (s *server) digest(t *testing.T, of string) string {
	t.Helper()
	ref, err := name.ParseReference(s.host + "/" + of)
	if err != nil {
		t.Fatal(err)
	}
	d, err := remote.Head(ref)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest.String()
}

// TestRegistry changes an image for two platforms in a registry, in place and to
// another repository: it becomes what it becomes as a layout, only what is new is
// sent, the tag comes last, and a second run changes nothing.
func TestRegistry(t *testing.T) {
	s := startRegistry(t)
	layoutTarget := kinds(t, gzipped)["oci"].write("oci")
	s.push(t, layoutTarget, "a/b:v1")
	old := s.digest(t, "a/b:v1")
	want, err := Run(layoutTarget, Options{Mode: Permitted})
	if err != nil {
		t.Fatal(err)
	}
	fixed := blobsOf(contents(t, layoutTarget))

	target := "registry:" + s.host + "/a/b:v1"
	dry, err := Run(target, Options{Mode: Permitted, DryRun: true})
	if blobs, manifests := s.uploads(); err != nil || blobs+len(manifests) > 0 || s.digest(t, "a/b:v1") != old {
		t.Fatalf("a dry run sent %d blobs, %q, %v", blobs, manifests, err)
	}
	other := "registry:" + s.host + "/c:v2"
	for _, out := range []string{other, ""} {
		r, err := Run(target, Options{Mode: Permitted, Out: out})
		if err != nil {
			t.Fatal(err)
		}
		// All but the index of the layout, which the registry does not have.
		if fmt.Sprint(r.Blobs) != fmt.Sprint(want.Blobs[:len(want.Blobs)-1]) || fmt.Sprint(dry.Blobs, dry.Files) != fmt.Sprint(r.Blobs, r.Files) {
			t.Errorf("reported is %+v, want %+v", r.Blobs, want.Blobs)
		}
		blobs, manifests := s.uploads()
		if n := len(manifests); n != 3 || !strings.HasPrefix(manifests[n-1], "v") || strings.HasPrefix(manifests[0], "v") {
			t.Errorf("to %q: manifests %q, want two and the tag", out, manifests)
		}
		if out == other && blobs != 4 {
			t.Errorf("%d blobs sent, want two layers and two configurations", blobs)
		}
	}
	for _, tag := range []string{"a/b:v1", "c:v2"} {
		pulled := s.pull(t, tag)
		checkDigests(t, pulled)
		sameFiles(t, fixed, blobsOf(pulled))
	}
	again, err := Run(target, Options{Mode: Permitted})
	if blobs, manifests := s.uploads(); err != nil || len(again.Blobs) > 0 || blobs+len(manifests) > 0 {
		t.Errorf("a second run: %+v, %v; %d blobs sent, %q", again, err, blobs, manifests)
	}
}

// TestRegistryCross takes an image with a launcher from a registry to a layout, and
// from a layout to a registry.
func TestRegistryCross(t *testing.T) {
	s := startRegistry(t)
	f := newFixture(t)
	f.layout(f.image("amd64", gzipped, programs(t)...))
	from := f.write("oci")
	s.push(t, from, "app")
	o := launcherOptions()
	o.Out = "oci:" + filepath.Join(t.TempDir(), "out") + ":mine"
	if _, err := Run("registry:"+s.host+"/app", o); err != nil {
		t.Fatal(err)
	}
	after := contents(t, strings.TrimSuffix(o.Out, ":mine"))
	checkDigests(t, after)
	if !bytes.Contains(after[store.IndexFile], []byte(`"org.opencontainers.image.ref.name":"mine"`)) {
		t.Errorf("the layout has not the tag: %s", after[store.IndexFile])
	}
	o.Out = "registry:" + s.host + "/new/app:fixed"
	if _, err := Run(from, o); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, blobsOf(after), blobsOf(s.pull(t, "new/app:fixed")))
	if _, err := Run("oci:"+strings.TrimPrefix(from, "oci:"), o); err != nil {
		t.Error("a second time:", err)
	}
}

// TestRegistryStale holds that signatures and referrers are named.
func TestRegistryStale(t *testing.T) {
	s := startRegistry(t)
	f := newFixture(t)
	image := f.image("amd64", gzipped, programs(t)[1])
	f.layout(image)
	s.push(t, f.write("oci"), "app:1")
	digest := image["digest"].(string)
	referrer := newFixture(t)
	d := referrer.blob(typeManifest, referrer.json(object{
		"schemaVersion": 2, "mediaType": typeManifest, "artifactType": "application/spdx+json", "subject": image,
		"layers": []object{referrer.blob(typeTar, []byte("x"))}, "config": referrer.blob("application/vnd.oci.empty.v1+json", []byte("{}")),
	}))
	referrer.layout(d)
	about := referrer.write("oci")
	signature := strings.Replace(digest, ":", "-", 1) + ".sig"
	s.push(t, about, "app:"+signature)
	r, err := Run("registry:"+s.host+"/app:1", Options{Mode: Permitted})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"tag " + signature + " is about " + digest, "referrer " + d["digest"].(string) + " ("} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in\n%s", want, all)
		}
	}
}

// fails holds that an image is not changed, with an error of one line.
func (s *server) fails(t *testing.T, target, says string, before func(*http.Request) int) {
	t.Helper()
	set := func(fn func(*http.Request) int) {
		s.mu.Lock()
		s.before = fn
		s.mu.Unlock()
	}
	set(before)
	defer set(nil)
	_, err := Run(target, Options{Mode: Permitted})
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), target+": ") || !strings.Contains(err.Error(), says) {
		t.Errorf("want %q: %v", says, err)
	}
}

// refuse returns what answers requests of a method, for a path with such an end.
func refuse(method, end string, code int) func(*http.Request) int {
	return func(r *http.Request) int {
		if r.Method == method && strings.HasSuffix(r.URL.Path, end) {
			return code
		}
		return 0
	}
}

// TestRegistryFails holds that the tag stays where it is if something goes wrong,
// or if somebody else has moved it.
func TestRegistryFails(t *testing.T) {
	s := startRegistry(t)
	s.push(t, kinds(t, gzipped)["oci"].write("oci"), "a:1")
	f := newFixture(t)
	f.layout(f.image("amd64", plain, programs(t)...))
	s.push(t, f.write("oci"), "a:other")
	target, was := "registry:"+s.host+"/a:1", s.digest(t, "a:1")
	s.fails(t, "registry:"+s.host+"/a:none", "MANIFEST_UNKNOWN", nil)
	s.fails(t, "registry:"+s.host+"/a@"+was, "names a digest, and the result needs a tag", nil)
	s.fails(t, target, "403", refuse(http.MethodPost, "/uploads/", http.StatusForbidden))
	s.fails(t, target, "403", refuse(http.MethodPut, "/manifests/1", http.StatusForbidden))
	layer := store.Digest256(compress(t, gzipped, layersForTest(t)[0]))
	s.fails(t, target, "403", refuse(http.MethodGet, "/blobs/"+layer, http.StatusForbidden))
	if now := s.digest(t, "a:1"); now != was {
		t.Errorf("the tag has moved from %s to %s", was, now)
	}
	var once sync.Once
	s.fails(t, target, "the tag has moved from "+was, func(r *http.Request) int {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256:") {
			once.Do(func() { s.retag(t, "a:other", "1") })
		}
		return 0
	})
	if s.digest(t, "a:1") != s.digest(t, "a:other") {
		t.Error("the tag is not where somebody else has put it")
	}
}

func (s *server) retag(t *testing.T, from, tag string) {
	ref, err := name.ParseReference(s.host + "/" + from)
	if err != nil {
		t.Error(err)
		return
	}
	d, err := remote.Get(ref)
	if err == nil {
		err = remote.Tag(ref.Context().Tag(tag), d)
	}
	if err != nil {
		t.Error(err)
	}
}
