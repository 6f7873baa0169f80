package locate

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/capwise/capwise/image/ref"
)

// engineTable says where an image is found, by which engines there are, or what the error
// says.
var engineTable = []struct {
	name    string
	engines map[string]string
	own     ref.Kind
	where   string
	says    string
}{
	{name: "none", says: `image "app:1": not found: the registry is not asked (offline)`},
	{name: "docker", engines: map[string]string{"docker": hasIt}, where: "docker"},
	{name: "podman", engines: map[string]string{"podman": hasIt}, where: "podman"},
	{name: "containerd", engines: map[string]string{"ctr": hasIt}, where: "containerd"},
	{name: "all", engines: map[string]string{"docker": hasIt, "podman": hasIt, "ctr": hasIt}, where: "docker"},
	{name: "own first: podman", engines: map[string]string{"docker": hasIt, "podman": hasIt, "ctr": hasIt}, own: ref.Podman, where: "podman"},
	{name: "own first: containerd", engines: map[string]string{"docker": hasIt, "podman": hasIt, "ctr": hasIt}, own: ref.Containerd, where: "containerd"},
	{name: "own lacks it", engines: map[string]string{"docker": hasIt, "podman": lacksIt}, own: ref.Podman, where: "docker"},
	{name: "own cannot answer", engines: map[string]string{"podman": hasIt, "docker": cannotSay}, own: ref.Docker, where: "podman"},
	{
		name: "all lack it", engines: map[string]string{"docker": lacksIt, "podman": lacksIt, "ctr": lacksIt},
		says: "docker: it has no such image; podman: it has no such image; containerd: it has no such image; the registry is not asked",
	},
	{
		name: "none can answer", engines: map[string]string{"docker": cannotSay, "podman": cannotSay, "ctr": cannotSay},
		says: "docker: exit status 1: Cannot connect to the Docker daemon; podman: exit status 125: cannot set up namespace; containerd: exit status 1; the registry",
	},
}

// TestEngines asks the engines of machines that have some, the image's own first.
func TestEngines(t *testing.T) {
	for _, c := range engineTable {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			for name, is := range c.engines {
				m.engine(name, is)
			}
			f := Finder{Offline: true}
			source, where, err := f.Find("app:1", c.own)
			if c.says != "" {
				if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want an error with %q", err, c.says)
				}
				return
			}
			if err != nil || where != c.where || len(source.Images()) != 1 {
				t.Fatalf("got %q, %v; want %s", where, err, c.where)
			}
			if err := source.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSilent holds that who cannot answer is asked once, and who can, each time.
func TestSilent(t *testing.T) {
	m := newMachine(t)
	m.engine("docker", cannotSay)
	m.engine("podman", lacksIt)
	f := Finder{Offline: true}
	for i, says := range []string{"docker: exit status 1", "not found: podman: it has no such image; the registry"} {
		if _, _, err := f.Find("app:1", ref.Docker); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("time %d: got %v, want %q", i+1, err, says)
		}
	}
	if docker, podman := m.calls("docker"), m.calls("podman"); docker != 1 || podman != 2 {
		t.Errorf("docker was asked %d times, and podman %d", docker, podman)
	}
}

// TestRegistry finds an image by its full name, with a tag and by the digest of what that
// leads to, and asks nobody when offline.
func TestRegistry(t *testing.T) {
	m := newMachine(t)
	m.engine("docker", lacksIt)
	s := serve(t, nil, "app:1")
	f := Finder{}
	source, where, err := f.Find(s.host+"/app:1", "")
	if err != nil || where != "registry "+s.host {
		t.Fatalf("got %q, %v", where, err)
	}
	if images := source.Images(); len(images) != 1 || images[0].Names[0] != "1" {
		t.Errorf("got %+v", images)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	_, _, err = f.Find(s.host+"/app:2", "")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "docker: it has no such image; registry "+s.host+": ") {
		t.Errorf("got %v", err)
	}
	before := s.count("")
	f.Offline = true
	if _, _, err := f.Find(s.host+"/app:1", ""); err == nil || s.count("") != before {
		t.Errorf("offline: %v, after %d requests", err, s.count("")-before)
	}
}

// TestRegistryTime gives up a registry that never answers, and does not ask it again.
func TestRegistryTime(t *testing.T) {
	newMachine(t)
	defer func(d time.Duration) { registryTime = d }(registryTime)
	registryTime = 200 * time.Millisecond
	over := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) bool { <-over; return true })
	defer close(over) // before the server waits for its requests
	f := Finder{}
	_, _, err := f.Find(s.host+"/app:1", "")
	if err == nil || !strings.Contains(err.Error(), "registry "+s.host+": no answer in 200ms") {
		t.Errorf("got %v", err)
	}
	before := s.count("")
	_, _, err = f.Find(s.host+"/other:1", "")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "did not answer before") || s.count("") != before {
		t.Errorf("got %v, after %d requests", err, s.count("")-before)
	}
}

// TestRefused asks a registry once at which nobody listens.
func TestRefused(t *testing.T) {
	newMachine(t)
	f := Finder{}
	for _, says := range []string{"connection refused", "did not answer before"} {
		if _, _, err := f.Find("127.0.0.1:1/app:1", ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// TestAnswered holds that a registry which answers, however, is asked again, and that its
// answer becomes one line.
func TestAnswered(t *testing.T) {
	newMachine(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v2/denied/"):
			http.Error(w, "<html>\n<body>\n\tDenied\n</body>", http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, "/v2/damaged/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			_, _ = w.Write([]byte(`{"schemaVersion":2,"manifests":[{"digest":"md5:0"}]}`))
		default:
			return false
		}
		return true
	}, "app:1")
	f := Finder{}
	for name, says := range map[string]string{"denied": "<html> <body> Denied </body>", "damaged": `digest "md5:0": want sha256:`, "missing": "NAME_UNKNOWN"} {
		_, _, err := f.Find(s.host+"/"+name+":1", "")
		if err == nil || !strings.Contains(err.Error(), says) || strings.ContainsAny(err.Error(), "\n\t") {
			t.Errorf("%s: got %q, want %q", name, err, says)
		}
	}
	source, _, err := f.Find(s.host+"/app:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
}

// TestMirror finds images of docker.io in mirrors, as Docker's and Podman's configurations
// name them.
func TestMirror(t *testing.T) {
	s := serve(t, nil, "library/app:1", "hub/library/app:1")
	for name, own := range map[string]ref.Kind{"Docker": ref.Docker, "Podman": ref.Podman} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.write("docker/daemon.json", `{"registry-mirrors": ["http://`+s.host+`/"]}`)
			m.write("containers/registries.conf", "unqualified-search-registries = ['docker.io']\n[[registry]]\nprefix = 'docker.io'\nlocation = '"+s.host+"/hub'\n")
			f := Finder{}
			source, where, err := f.Find("app:1", own)
			if err != nil || where != "registry "+s.host {
				t.Fatalf("got %q, %v", where, err)
			}
			if err := source.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if n := s.count("/v2/library/app/manifests/1"); n != 1 {
		t.Errorf("Docker's mirror was asked %d times", n)
	}
	if n := s.count("/v2/hub/library/app/manifests/1"); n != 1 {
		t.Errorf("Podman's registry was asked %d times", n)
	}
}
