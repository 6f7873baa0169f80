package locate

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	nameref "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// machine is one with engines that are shell scripts, and with configurations of its own.
type machine struct {
	t    *testing.T
	bin  string
	home string // of containers' and Docker's configurations
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t, t.TempDir(), t.TempDir()}
	t.Setenv("PATH", m.bin)
	t.Setenv("HOME", m.home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(m.home, "user"))
	was, wasSocket := configDirs, containerdSocket
	containerdSocket = filepath.Join(m.bin, "ctr") // it listens if there is the program
	configDirs.containers, configDirs.docker = filepath.Join(m.home, "containers"), filepath.Join(m.home, "docker")
	t.Cleanup(func() { configDirs, containerdSocket = was, wasSocket })
	return m
}

// write writes a file below the configurations.
func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// What an engine of a machine can be.
const (
	hasIt     = "has it"
	lacksIt   = "lacks it"
	cannotSay = "cannot say"
)

// scripts are engines that note each call; ctr has its image in the namespace k8s.io.
var scripts = map[string]map[string]string{
	"docker": {
		hasIt:     `case "$1" in image) echo sha256:0;; save) cat "$0.tar";; esac`,
		lacksIt:   `echo "Error response from daemon: No such image: app" >&2; exit 1`,
		cannotSay: `echo "something" >&2; echo "Cannot connect to the Docker daemon" >&2; exit 1`,
	},
	"podman": {
		hasIt:     `case "$1" in save) cat "$0.tar";; esac`,
		lacksIt:   `exit 1`,
		cannotSay: `echo "cannot set up namespace" >&2; exit 125`,
	},
	"ctr": {
		hasIt:     `case "$*" in *k8s.io*list*) echo app;; *k8s.io*export*) cat "$0.tar";; esac`,
		lacksIt:   `exit 0`,
		cannotSay: `exit 1`,
	},
}

// engine installs one.
func (m *machine) engine(name, is string) {
	m.t.Helper()
	path := filepath.Join(m.bin, name)
	script := "#!/bin/sh\nPATH=/usr/bin:/bin\necho \"$*\" >>\"$0.calls\"\n" + scripts[name][is] + "\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if is == hasIt {
		if err := tarball.WriteToFile(path+".tar", nameref.MustParseReference("app:1"), image(m.t)); err != nil {
			m.t.Fatal(err)
		}
	}
}

// calls counts how often an engine was called.
func (m *machine) calls(name string) int {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.bin, name+".calls"))
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// image is one with a layer that has nothing in it.
func image(t *testing.T) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(make([]byte, 1024), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// served is a registry that counts the requests for manifests.
type served struct {
	host   string
	mu     sync.Mutex
	counts map[string]int
}

// serve starts a registry that has the images. A handler answers before it, if it wants.
func serve(t *testing.T, handler func(w http.ResponseWriter, r *http.Request) bool, images ...string) *served {
	t.Helper()
	s := &served{counts: map[string]int{}}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			s.mu.Lock()
			s.counts[r.URL.Path]++
			s.mu.Unlock()
		}
		if handler == nil || !handler(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	for _, name := range images {
		to, err := nameref.ParseReference(s.host + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(to, image(t)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// count is how often a path was asked for; all of them together for "".
func (s *served) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path != "" {
		return s.counts[path]
	}
	n := 0
	for _, c := range s.counts {
		n += c
	}
	return n
}
