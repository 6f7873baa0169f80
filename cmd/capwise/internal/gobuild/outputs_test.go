package gobuild

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/capwise/capwise/filecap"
)

// module writes a module with three commands and a library, makes its folder the
// working directory, and returns that.
func module(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const command = "package main\n\nfunc main() {}\n"
	for name, text := range map[string]string{
		"go.mod": "module example.com/server/v2\n\ngo 1.24\n", "main.go": command,
		"cmd/one/main.go": command, "cmd/two/main.go": command, "lib/lib.go": "package lib\n",
		"dir/keep": "", "alone.txt": "",
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, name := range []string{"GOFLAGS", "GOBIN", "GOOS", "GOARCH", variable} {
		t.Setenv(name, "")
	}
	t.Setenv("GOPATH", filepath.Join(dir, "gopath"))
	t.Setenv("GOWORK", "off")
	return dir
}

// buildOf is a build as the command line begins it.
func buildOf(t *testing.T, line string) *build {
	t.Helper()
	words := strings.Fields(line)
	s := &Settings{}
	if err := s.find(); err != nil {
		t.Fatal(err)
	}
	b, err := s.newBuild(words[0], words[1:])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPrograms holds which files a build writes, as the go command names them.
func TestPrograms(t *testing.T) {
	dir := module(t)
	for _, tc := range []struct{ line, goflags, want string }{
		{"build", "", "server"},
		{"build .", "", "server"},
		{"build ./cmd/one", "", "one"},
		{"build main.go", "", "main"},
		{"build cmd/one/main.go", "", "main"},
		{"build -o x ./cmd/one", "", "x"},
		{"build -o dir ./cmd/one", "", "dir/one"},
		{"build -o bin/ ./...", "", "bin/one bin/server bin/two"},
		{"build ./...", "", ""}, // of several packages the go command writes nothing
		{"build ./cmd/one ./cmd/two", "", ""},
		{"build ./lib", "", ""},
		{"build -o x ./lib", "", ""},
		{"build -C cmd/one", "", "cmd/one/one"},
		{"build -C cmd -o ../x ./one", "", "x"},
		{"build -o /dev/null ./cmd/one", "", "/dev/null"},
		{"build -n ./cmd/one", "", ""},
		{"build -buildmode=c-shared -o x ./cmd/one", "", ""},
		{"build -buildmode=pie ./cmd/one", "", "one"},
		{"build -buildmode exe ./cmd/one", "", "one"},
		{"build ./cmd/one", "-o=y", "y"},
		{"build ./cmd/one", "-buildmode=c-archive", ""},
		{"build -v -x -tags=netgo ./cmd/one", "", "one"},
		{"install ./cmd/one", "", "gopath/bin/one"},
		{"install ./...", "", "gopath/bin/one gopath/bin/server gopath/bin/two"},
	} {
		t.Setenv("GOFLAGS", tc.goflags)
		got, err := buildOf(t, tc.line).programs()
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], dir+"/")
		}
		slices.Sort(got)
		if strings.Join(got, " ") != tc.want || err != nil {
			t.Errorf("GOFLAGS=%s go %s: got %q, %v, want %q", tc.goflags, tc.line, got, err, tc.want)
		}
	}
	if _, err := buildOf(t, "build ./missing").programs(); err == nil {
		t.Error("a package that is not there: no error")
	}
}

// TestInstalledVersions holds where commands of other modules get installed.
func TestInstalledVersions(t *testing.T) {
	host := goEnv{GOPATH: "/go:/more", GOOS: "linux", GOARCH: "amd64", GOHOSTOS: "linux", GOHOSTARCH: "amd64"}
	cross, bin := host, host
	cross.GOARCH, bin.GOBIN = "arm64", "/bin"
	for _, tc := range []struct {
		env        goEnv
		args, want string
	}{
		{host, "example.com/server@latest", "/go/bin/server"},
		{host, "example.com/server/v2@v2.1.0", "/go/bin/server"},
		{host, "example.com/a/cmd/b@v1 example.com/a/cmd/c@v1", "/go/bin/b /go/bin/c"},
		{cross, "example.com/server@latest", "/go/bin/linux_arm64/server"},
		{bin, "example.com/server@latest", "/bin/server"},
	} {
		b := build{verb: "install", env: tc.env, args: parse(strings.Fields(tc.args))}
		got, err := b.programs()
		if strings.Join(got, " ") != tc.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", tc.args, got, err, tc.want)
		}
	}
}

// TestFinish holds that a plain program is an error, with its file as it was, and
// that what the build did not write as a regular file is left alone.
func TestFinish(t *testing.T) {
	dir := module(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "one")
	if err := os.Link(self, plain); err != nil {
		text, readErr := os.ReadFile(self)
		if err := errors.Join(readErr, os.WriteFile(plain, text, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	if err := buildOf(t, "build ./cmd/one").finish(); err == nil || !strings.Contains(err.Error(), plain) {
		t.Errorf("a plain program: got %v, want an error that names it", err)
	}
	if _, err := filecap.Get(plain); !errors.Is(err, filecap.ErrNone) {
		t.Errorf("a plain program: got %v, want no capabilities", err)
	}
	for _, line := range []string{"build ./cmd/two", "build -o /dev/null ./cmd/one", "build -n ./cmd/one"} {
		if err := buildOf(t, line).finish(); err != nil {
			t.Errorf("go %s: %v", line, err)
		}
	}
}
