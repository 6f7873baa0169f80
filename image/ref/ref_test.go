package ref_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/ref"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestParse takes references of each kind apart, and writes them again.
func TestParse(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a:b.tar") // a file whose name has a colon
	for _, name := range []string{odd, filepath.Join(dir, "plain.tar")} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]ref.Ref{
		"-":                                  {Kind: ref.Archive, Path: "-"},
		"archive:a.tar":                      {Kind: ref.Archive, Path: "a.tar"},
		"archive:" + odd:                     {Kind: ref.Archive, Path: odd},
		"tar:root.tar:x":                     {Kind: ref.RootFS, Path: "root.tar:x"},
		"docker-archive:a.tar":               {Kind: ref.DockerArchive, Path: "a.tar"},
		"docker-archive:a.tar:app":           {Kind: ref.DockerArchive, Path: "a.tar", Tag: "app"},
		"docker-archive:a.tar:app:1":         {Kind: ref.DockerArchive, Path: "a.tar", Tag: "app:1"},
		"docker-archive:a.tar:r:5000/app:1":  {Kind: ref.DockerArchive, Path: "a.tar", Tag: "r:5000/app:1"},
		"docker-archive:" + odd:              {Kind: ref.DockerArchive, Path: odd},
		"docker-archive:" + odd + ":app:1":   {Kind: ref.DockerArchive, Path: odd, Tag: "app:1"},
		"docker-archive:" + dir + "/no:app":  {Kind: ref.DockerArchive, Path: dir + "/no", Tag: "app"},
		"oci:dir":                            {Kind: ref.Layout, Path: "dir"},
		"oci:dir:v1":                         {Kind: ref.Layout, Path: "dir", Tag: "v1"},
		"oci:/a:b/dir":                       {Kind: ref.Layout, Path: "/a:b/dir"},
		"oci:/a:b/dir:v1":                    {Kind: ref.Layout, Path: "/a:b/dir", Tag: "v1"},
		"oci:" + odd:                         {Kind: ref.Layout, Path: odd},
		"oci:" + odd + ":v1":                 {Kind: ref.Layout, Path: odd, Tag: "v1"},
		"oci-archive:a.tar":                  {Kind: ref.LayoutArchive, Path: "a.tar"},
		"oci-archive:a.tar:v1":               {Kind: ref.LayoutArchive, Path: "a.tar", Tag: "v1"},
		"oci-archive:" + odd + ":v1":         {Kind: ref.LayoutArchive, Path: odd, Tag: "v1"},
		"registry:caddy":                     {Kind: ref.Registry, Path: "caddy", Tag: "latest"},
		"registry:r.example:5000/a/b:1":      {Kind: ref.Registry, Path: "r.example:5000/a/b:1", Tag: "1"},
		"registry:caddy@" + digest:           {Kind: ref.Registry, Path: "caddy@" + digest},
		"registry:r.example/a:1@" + digest:   {Kind: ref.Registry, Path: "r.example/a:1@" + digest},
		"docker:caddy:2":                     {Kind: ref.Docker, Path: "caddy:2"},
		"podman:localhost/app":               {Kind: ref.Podman, Path: "localhost/app"},
		"containerd:docker.io/library/app:1": {Kind: ref.Containerd, Path: "docker.io/library/app:1"},
	} {
		got, err := ref.Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
		}
		if want.Path == "-" {
			text = "standard input"
		}
		if got.String() != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
}

// TestParseErrors holds that an error names the reference, and the kinds that are wanted.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text  string
		kinds []ref.Kind
		says  string
	}{
		{"caddy", nil, `image "caddy": want docker-archive:FILE[:NAME], oci:DIR[:TAG], `},
		{"", nil, "want docker-archive:"},
		{"oci:", nil, "or containerd:NAME"},
		{"oci::v1", nil, `image "oci::v1": want `},
		{"docker-archive::app", nil, "want docker-archive:"},
		{"http://example.com", nil, "want docker-archive:"},
		{"OCI:dir", nil, "want docker-archive:"},
		{"registry:x", []ref.Kind{ref.Layout}, `image "registry:x": want oci:DIR[:TAG]`},
		{"docker:x", []ref.Kind{ref.Layout, ref.DockerArchive}, "want docker-archive:FILE[:NAME] or oci:DIR[:TAG]"},
		{"-", []ref.Kind{ref.Layout, ref.Registry}, `image "-": want oci:DIR[:TAG] or registry:NAME`},
		{"registry:A B", nil, `image "registry:A B": could not parse reference`},
	} {
		if got, err := ref.Parse(c.text, c.kinds...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q of %q: got %+v, %v; want an error with %q", c.text, c.kinds, got, err, c.says)
		}
	}
	if _, err := ref.Parse("-", ref.Archive); err != nil {
		t.Error(err)
	}
}

// TestHelp lists forms, in the order of the table.
func TestHelp(t *testing.T) {
	for _, c := range []struct {
		kinds []ref.Kind
		want  string
	}{
		{[]ref.Kind{ref.RootFS}, "tar:FILE"},
		{[]ref.Kind{ref.Registry, ref.Archive}, "archive:FILE or registry:NAME"},
		{[]ref.Kind{ref.Docker, ref.Podman, ref.Containerd}, "docker:NAME, podman:NAME or containerd:NAME"},
		{[]ref.Kind{"no such"}, ""},
	} {
		if got := ref.Help(c.kinds...); got != c.want {
			t.Errorf("%q: got %q, want %q", c.kinds, got, c.want)
		}
	}
	for form := range strings.SplitSeq(strings.ReplaceAll(ref.Help(), " or ", ", "), ", ") {
		kind, _, _ := strings.Cut(form, ":")
		if !ref.Is(kind + ":x") {
			t.Errorf("help lists %s, which is none", form)
		}
	}
}

// TestIs tells references from paths, and names of images from both.
func TestIs(t *testing.T) {
	for text, want := range map[string]struct{ is, name bool }{
		"oci:dir":           {true, true}, // as a name it has the tag "dir"
		"docker:":           {true, false},
		"/oci:dir":          {false, false},
		"./caddy":           {false, false},
		"../caddy":          {false, false},
		"caddy":             {false, true},
		"caddy:2":           {false, true},
		"r.example:5000/a":  {false, true},
		"caddy@" + digest:   {false, true},
		"usr/bin/caddy":     {false, true}, // both: who asks looks for the file first
		"Caddy":             {false, false},
		"a b":               {false, false},
		"":                  {false, false},
		"docker-archiver:x": {false, true},
		"-":                 {false, false},
	} {
		if is := ref.Is(text); is != want.is {
			t.Errorf("Is(%q) = %t", text, is)
		}
		if name := ref.MayBeName(text); name != want.name {
			t.Errorf("MayBeName(%q) = %t", text, name)
		}
	}
}
