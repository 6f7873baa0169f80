package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/capwise/capwise/internal/need"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// containerfile is one image that has a Containerfile, too.
type containerfile struct {
	name     string   // of its folder below deploy/
	goMod    string   // the folder of the go.mod with its version
	module   string   // whose version it has
	program  string   // where in the image
	prefix   string   // of what the program says before its version
	fileCaps string   // of the program, if any
	parts    []string // of the build context, which rootfs.sh takes after APPLETS
}

var containerfiles = []containerfile{
	{
		name: "caddy", goMod: "caddy", module: "github.com/caddyserver/caddy/v2",
		program: "usr/bin/caddy", prefix: "v", fileCaps: "cap_net_bind_service=p",
	},
	{
		name: "coredns", goMod: "coredns", module: "github.com/coredns/coredns",
		program: "coredns", prefix: "CoreDNS-", fileCaps: "cap_net_bind_service=p",
	},
	{
		name: "caddy-builder", goMod: "tools", module: "github.com/caddyserver/xcaddy",
		program: "usr/bin/xcaddy", prefix: "v", parts: []string{"toolchain", "capwise"},
	},
}

// dir is what the image consists of.
func (c containerfile) dir() string { return "../deploy/" + c.name }

// TestBuildImage holds that what a Containerfile builds in by default is named by its
// digest, not by a tag that may move.
func TestBuildImage(t *testing.T) {
	want := regexp.MustCompile(`(?m)^ARG BUILD_IMAGE=golang:[0-9.]+-bookworm@sha256:[0-9a-f]{64}$`)
	for _, c := range containerfiles {
		text, err := os.ReadFile(c.dir() + "/Containerfile")
		if err != nil || !want.Match(text) {
			t.Errorf("%s: %v; want %s", c.name, err, want)
		}
	}
}

// TestContainerfile builds each Containerfile with buildah and compares the
// image with the one that Build makes of the same program and packages: same
// configuration, same files, same modes, same capability.
func TestContainerfile(t *testing.T) {
	need.Root(t) // to set a file capability, and to mount this machine's /usr
	for _, tool := range []string{"buildah", "setcap", "dpkg-deb"} {
		need.Tool(t, tool)
	}
	for _, c := range containerfiles {
		t.Run(c.name, c.compare)
	}
}

func (c containerfile) compare(t *testing.T) {
	context := c.makeContext(t)
	built := c.runBuildah(t, context)
	packed := c.packContext(t, context)

	want, err := packed.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	got, err := built.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Config, got.Config); diff != "" {
		t.Errorf("config (-capwise-image +Containerfile):\n%s", diff)
	}
	wantFiles := flatten(t, packed)
	if diff := cmp.Diff(wantFiles, flatten(t, built)); diff != "" {
		t.Errorf("files (-capwise-image +Containerfile):\n%s", diff)
	}
	for name, file := range wantFiles {
		if has := strings.Contains(file, "capability="); has != (name == c.program && c.fileCaps != "") {
			t.Errorf("%s: has a capability: %v", name, has)
		}
	}
}

// TestContainerfileVersion keeps the version in the Containerfile, which cannot
// read it from the program, in step with the one that is built.
func TestContainerfileVersion(t *testing.T) {
	for _, c := range containerfiles {
		want := firstMatch(t, "../"+c.goMod+"/go.mod", `(?m)^(?:require)?\s*`+regexp.QuoteMeta(c.module)+` v(\S+)`)
		if got := c.version(t); got != want {
			t.Errorf("%s/Containerfile is for version %s, but %s/go.mod has %s", c.dir(), got, c.goMod, want)
		}
	}
}

// TestBuilderVersion keeps the version that the builder is named after in step with
// our Caddy.
func TestBuilderVersion(t *testing.T) {
	want := firstMatch(t, "../caddy/go.mod", `github\.com/caddyserver/caddy/v2 v(\S+)`)
	for _, pattern := range []string{`"capwise/caddy:(\S+)-builder"`, `"CADDY_VERSION=v(\S+)"`, `image\.version": "v(\S+)"`} {
		if got := firstMatch(t, "../deploy/caddy-builder/image.json", pattern); got != want {
			t.Errorf("image.json of the builder has %s for %s, but caddy/go.mod has %s", got, pattern, want)
		}
	}
}

// firstMatch returns what the group in pattern matches in a file.
func firstMatch(t *testing.T, path, pattern string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindSubmatch(data)
	if m == nil {
		t.Fatalf("%s: nothing matches %s", path, pattern)
	}
	return string(m[1])
}

// command runs a command whose failure ends the test, and returns its output.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// makeContext makes a build context with what the Containerfile needs of the
// repository, Debian's packages in packages/, a program that claims to be the
// version that the Containerfile is for, and files in the place of a Go toolchain
// and of capwise.
func (c containerfile) makeContext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command(t, "", nil, "cp", "-R", "../deploy", dir)
	packages := filepath.Join(dir, "packages")
	if cached := "../.cache/debs/" + runtime.GOARCH; isDir(cached + "/git") {
		command(t, "", nil, "cp", "-R", cached, packages)
	} else {
		command(t, "", nil, "../deploy/packages.sh", dir+"/fetched", runtime.GOARCH)
		command(t, "", nil, "mv", filepath.Join(dir, "fetched", runtime.GOARCH), packages)
	}
	c.makeStandIn(t, filepath.Join(dir, "program"))
	for _, name := range []string{"bin/go", "pkg/tool/linux/compile", "src/fmt/print.go", "src/fmt/fmt_test.go"} {
		path := filepath.Join(dir, "toolchain", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, []byte(name), 0o644)
	}
	writeFile(t, filepath.Join(dir, "capwise"), []byte("capwise"), 0o644)
	return dir
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// version returns the version in the Containerfile.
func (c containerfile) version(t *testing.T) string {
	t.Helper()
	return firstMatch(t, c.dir()+"/Containerfile", `(?m)^ARG VERSION=(\S+)$`)
}

// makeStandIn builds a program that prints the version and has it in its build
// information, in a second instead of minutes.
func (c containerfile) makeStandIn(t *testing.T, path string) {
	t.Helper()
	src, version := t.TempDir(), c.version(t)
	for name, text := range map[string]string{
		"go.mod":        fmt.Sprintf("module standin\n\ngo 1.25\n\nrequire %s v%s\n\nreplace %[1]s => ./module\n", c.module, version),
		"main.go":       fmt.Sprintf("package main\n\nimport module %q\n\nfunc main() { module.Main() }\n", c.module),
		"module/go.mod": fmt.Sprintf("module %s\n\ngo 1.25\n", c.module),
		"module/module.go": "package module\n\nimport \"os\"\n\n" +
			fmt.Sprintf("func Main() { _, _ = os.Stdout.WriteString(%q) }\n", c.prefix+version+"\n"),
	} {
		file := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, []byte(text), 0o644)
	}
	command(t, src, []string{"GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0"}, "go", "build", "-buildvcs=false", "-o", path, ".")
}

// runBuildah builds the Containerfile and returns the image. There being no
// registry here, the image it starts from has nothing but links into /usr,
// and /usr is that of this machine.
func (c containerfile) runBuildah(t *testing.T, context string) v1.Image {
	t.Helper()
	store := t.TempDir()
	buildah := func(args ...string) {
		t.Helper()
		command(t, context, nil, "buildah", append([]string{
			"--root", store + "/root", "--runroot", store + "/run", "--storage-driver", "vfs",
		}, args...)...)
	}
	t.Cleanup(func() { buildah("rm", "--all") })

	base := t.TempDir()
	for name, target := range map[string]string{"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"} {
		if err := os.Symlink(target, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(base, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(base, "Containerfile"), []byte(
		"FROM scratch\nCOPY . /\nENV PATH=/usr/sbin:/usr/bin\n"), 0o644)
	buildah("bud", "--quiet", "--tag", "localhost/base:1", base)
	bud := []string{
		"bud", "--quiet", "--isolation", "chroot", "--pull-never", "--identity-label=false",
		"--volume", "/usr:/usr:ro", "--file", "deploy/" + c.name + "/Containerfile", "--tag", "localhost/image:1",
		"--build-arg", "BUILD_IMAGE=localhost/base:1",
		"--build-arg", "PROGRAM=program", "--build-arg", "PACKAGES=packages",
	}
	for _, part := range c.parts {
		bud = append(bud, "--build-arg", strings.ToUpper(part)+"="+part)
	}
	buildah(append(bud, context)...)
	out := filepath.Join(t.TempDir(), "layout")
	buildah("push", "--quiet", "localhost/image:1", "oci:"+out+":1")
	return onlyImage(t, out)
}

// onlyImage opens the one image of a layout.
func onlyImage(t *testing.T, dir string) v1.Image {
	t.Helper()
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := path.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// spec reads the image's description.
func (c containerfile) spec(t *testing.T) Spec {
	t.Helper()
	f, err := os.Open(c.dir() + "/image.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	spec, err := ParseSpec(f)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return spec
}

// packContext makes the image of the same context as scripts/images.sh would.
func (c containerfile) packContext(t *testing.T, context string) v1.Image {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	command(t, context, nil, "deploy/"+c.name+"/rootfs.sh", append([]string{"packages", root, ""}, c.parts...)...)
	command(t, context, nil, "install", "-m", "0755", "program", filepath.Join(root, c.program))
	platform := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	options := Options{}
	if c.fileCaps != "" {
		options = testOptions(t, c.fileCaps)
	}
	set, err := Build(c.spec(t), []Root{{platform, root}}, options)
	if err != nil {
		t.Fatal(err)
	}
	return set.Images[0]
}

// flatten describes every file of the image, times aside.
func flatten(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			files[strings.TrimSuffix(h.Name, "/")] = describe(t, h, tr)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// describe leaves out the file type that some writers put into the mode.
func describe(t *testing.T, h *tar.Header, content io.Reader) string {
	t.Helper()
	var data bytes.Buffer
	if _, err := data.ReadFrom(content); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%c %04o %d:%d %s %x", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Linkname, sha256.Sum256(data.Bytes()))
	if c, ok := h.PAXRecords[capabilityRecord]; ok {
		text += fmt.Sprintf(" capability=%x", c)
	}
	return text
}
