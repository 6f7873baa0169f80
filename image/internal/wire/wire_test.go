package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/capwise/capwise/internal/limit"
)

// TestReach holds which addresses a registry in public may not lead to.
func TestReach(t *testing.T) {
	for text, want := range map[string]reach{
		"8.8.8.8": public, "2606:4700::1": public, "::ffff:8.8.8.8": public, "64:ff9b::808:808": public,
		"127.0.0.1": loopback, "127.9.9.9": loopback, "::1": loopback, "::ffff:127.0.0.1": loopback, "64:ff9b::7f00:1": loopback, "2002:7f00:1::": loopback,
		"169.254.169.254": linkLocal, "fe80::1": linkLocal, "::ffff:169.254.169.254": linkLocal, "fe80::1%eth0": linkLocal,
		"10.0.0.1": private, "172.16.0.1": private, "192.168.1.1": private, "fd00::1": private, "::ffff:10.0.0.1": private, "100.64.0.1": private,
		"0.0.0.0": nowhere, "::": nowhere, "0.1.2.3": nowhere, "224.0.0.1": nowhere, "255.255.255.255": nowhere, "ff02::1": nowhere, "::ffff:0.0.0.0": nowhere,
	} {
		if got := reachOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
		if public.allows(want) != (want == public) {
			t.Errorf("a public registry and %s: %v", text, public.allows(want))
		}
	}
	for from, to := range map[reach][]reach{private: {public, private}, linkLocal: {public, linkLocal}, loopback: {public, private, loopback}, nowhere: {public}} {
		for _, r := range []reach{public, private, linkLocal, loopback, nowhere} {
			want := false
			for _, ok := range to {
				want = want || ok == r
			}
			if from.allows(r) != want {
				t.Errorf("from %s to %s: %v, want %v", from, r, !want, want)
			}
		}
	}
}

// TestRebinding holds that what counts is the address, whatever the name: a name
// that leads near later on is not followed, neither is the registry's own.
func TestRebinding(t *testing.T) {
	d := &dialer{registry: "registry.example"}
	if err := d.check("registry.example", "203.0.113.7:443"); err != nil {
		t.Fatal(err)
	}
	d.settle("203.0.113.7:443")
	for _, host := range []string{"registry.example", "cdn.example", "localhost"} {
		for _, to := range []string{"127.0.0.1:443", "169.254.169.254:80", "[::1]:443", "[::ffff:10.0.0.1]:443"} {
			if err := d.check(host, to); err == nil || !strings.Contains(err.Error(), "not followed") {
				t.Errorf("%s at %s: %v", host, to, err)
			}
		}
	}
	if err := d.check("cdn.example", "198.51.100.7:443"); err != nil {
		t.Error(err)
	}
}

// server is a registry of one blob.
type server struct {
	*httptest.Server
	blob    []byte
	handler func(w http.ResponseWriter, r *http.Request) bool
}

func serve(t *testing.T, blob string) *server {
	t.Helper()
	s := &server{blob: []byte(blob)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
		case s.handler != nil && s.handler(w, r):
		case strings.Contains(r.URL.Path, "/blobs/"), strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = w.Write(s.blob)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.CloseClientConnections)
	t.Cleanup(s.Close)
	return s
}

func (s *server) host() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *server) digest() string {
	sum := sha256.Sum256(s.blob)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// source is a source with stalls of a moment.
func (s *server) source(t *testing.T, stall time.Duration) *Source {
	t.Helper()
	ref, err := name.ParseReference(s.host() + "/a/b:v1")
	if err != nil {
		t.Fatal(err)
	}
	source, err := open(ref, stall)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func (s *server) read(t *testing.T, size int64, stall time.Duration) error {
	t.Helper()
	r, err := s.source(t, stall).Blob(s.digest(), size)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, s.blob) {
		t.Errorf("got %q", got)
	}
	return errors.Join(err, r.Close())
}

// TestSizes holds that descriptors' sizes are limits (S8).
func TestSizes(t *testing.T) {
	s := serve(t, "0123456789")
	for _, size := range []int64{10, -1} {
		if err := s.read(t, size, time.Second); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
	for _, size := range []int64{0, 9, 11} {
		if err := s.read(t, size, time.Second); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("more or fewer than the %d bytes", size)) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	// A flood is given up at the size, not at its end.
	s.handler = func(w http.ResponseWriter, r *http.Request) bool {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				break
			}
		}
		return true
	}
	if err := s.read(t, 173, time.Second); err == nil || !strings.Contains(err.Error(), "173 bytes") {
		t.Errorf("a flood: %v", err)
	}
	var above *limit.Error
	if _, err := s.source(t, time.Second).Top(); !errors.As(err, &above) || above.Limit != limit.Document {
		t.Errorf("a flood as manifest: %v", err)
	}
	if _, err := s.source(t, time.Second).Manifest(s.digest(), 5); err == nil || !strings.Contains(err.Error(), "more than 5 bytes") {
		t.Errorf("a flood as a manifest of 5 bytes: %v", err)
	}
}

// TestStalls holds that a connection ends that makes no progress, at any stage,
// and one that makes a little does not.
func TestStalls(t *testing.T) {
	s := serve(t, "0123456789")
	hang := func(r *http.Request) { <-r.Context().Done() }
	for stage, handler := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"header": func(_ http.ResponseWriter, r *http.Request) bool { hang(r); return true },
		"body": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write([]byte("01234"))
			_ = http.NewResponseController(w).Flush()
			hang(r)
			return true
		},
	} {
		s.handler = handler
		start := time.Now()
		err := s.read(t, 10, 100*time.Millisecond)
		var stalled *stalledError
		if !errors.As(err, &stalled) || !strings.Contains(err.Error(), "has sent nothing for") || time.Since(start) > 3*time.Second {
			t.Errorf("%s: %v after %s", stage, err, time.Since(start))
		}
	}
	s.handler = func(w http.ResponseWriter, _ *http.Request) bool {
		for _, c := range s.blob {
			time.Sleep(60 * time.Millisecond)
			_, _ = w.Write([]byte{c})
			_ = http.NewResponseController(w).Flush()
		}
		return true
	}
	if err := s.read(t, 10, 200*time.Millisecond); err != nil {
		t.Errorf("a slow one: %v", err)
	}
}

// TestRedirects holds that blobs may lie elsewhere, that nobody there gets the
// credentials, and that elsewhere is no nearer than the registry.
func TestRedirects(t *testing.T) {
	s, cdn := serve(t, "0123456789"), serve(t, "0123456789")
	authorization := "none"
	cdn.handler = func(_ http.ResponseWriter, r *http.Request) bool {
		authorization = r.Header.Get("Authorization")
		return false
	}
	to := cdn.URL + "/v2/x/blobs/y"
	s.handler = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	if err := s.read(t, 10, time.Second); err != nil || authorization != "" {
		t.Errorf("a redirect from loopback to loopback: %v, with authorization %q", err, authorization)
	}
	for _, to = range []string{"http://169.254.169.254/latest/meta-data", "http://[fe80::1]/x", "http://0.0.0.0:1/x", "http://[::ffff:a9fe:a9fe]/x"} {
		if err := s.read(t, 10, time.Second); err == nil || !strings.Contains(err.Error(), "not followed") && !strings.Contains(err.Error(), "denied") {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// TestNotThere holds that what a registry does not have is known as such.
func TestNotThere(t *testing.T) {
	s := serve(t, "x")
	s.handler = func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }
	if _, err := s.source(t, time.Second).Blob(s.digest(), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
