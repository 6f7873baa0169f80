package gobuild

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ args, dir, out, overlay, flags, rest string }{
		{"./cmd/server", "", "", "", "", "./cmd/server"},
		{"-o bin/x -v ./...", "", "bin/x", "", "-v", "./..."},
		{"-C dir -o=x --overlay=o.json -ldflags -s -trimpath a.go b.go", "dir", "x", "o.json", "-ldflags -s -trimpath", "a.go b.go"},
		{"-C=dir --tags extra", "dir", "", "", "--tags extra", ""},
		{"-o", "", "", "", "-o", ""},
		{"-run X ./pkg -o x -args -o y", "", "", "", "-run X", "./pkg -o x -args -o y"},
		{"-c -args -o x", "", "", "", "-c", "-args -o x"},
		{". -port 80 -o y", "", "", "", "", ". -port 80 -o y"},
		{"-o x -o y .", "", "y", "", "", "."},
		{"- x", "", "", "", "", "- x"},
	} {
		a := parse(strings.Fields(tc.args))
		got := []string{a.dir, a.out, a.overlay, strings.Join(a.flags, " "), strings.Join(a.rest, " ")}
		if want := []string{tc.dir, tc.out, tc.overlay, tc.flags, tc.rest}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tc.args, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	for goflags, want := range map[string][]string{
		"":              nil,
		" -a\t-b=c ":    {"-a", "-b=c"},
		`'-a=b c' -d`:   {"-a=b c", "-d"},
		`"-a=b 'c'"`:    {"-a=b 'c'"},
		`-a='b c'`:      {"-a='b", "c'"},
		`-a "-b c`:      {"-a", "-b c"}, // which the go command refuses
		`'-a=b''-c' ""`: {"-a=b", "-c", ""},
	} {
		if got := split(goflags); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", goflags, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	a := parse(strings.Fields("-C dir -o x -overlay mine.json -tags extra ./cmd"))
	want := "build -C=dir -overlay=ours.json -o=x -tags extra ./cmd"
	if got := strings.Join(a.line("build", "ours.json"), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestValue(t *testing.T) {
	for args, want := range map[string]string{
		"-buildmode pie": "pie", "-buildmode=pie -v": "pie", "-buildmode pie -buildmode=exe": "exe", "-tags buildmode": "", "-v": "", "-buildmode": "",
	} {
		a := parse(strings.Fields(args))
		if got := a.value("buildmode"); got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
	a := parse([]string{"-n", "-json", "-tags", "n", "./cmd"})
	if got := a.without("n", "json"); a.value("n") != "true" || !slices.Equal(got, []string{"-tags", "n"}) {
		t.Errorf("got %q, %q", a.value("n"), got)
	}
}

func TestInRoot(t *testing.T) {
	for _, tc := range []struct {
		dir, args string
		want      bool
	}{
		{"/", "", true},
		{"/src", "./pkg -args /", false},
		{"/", "-o x .", true},
		{"/", "./...", true},
		{"/", "main.go", true},
		{"/src", "/", true},
		{"/src", "..", true},
		{"/", "./cmd/server", false},
		{"/", "example.com/server", false},
		{"/", "/src", false},
		{"/", "src/main.go", false},
		{"/src", "", false},
		{"/src", "./...", false},
		{"/src", "main.go", false},
	} {
		if got := parse(strings.Fields(tc.args)).inRoot("test", tc.dir); got != tc.want {
			t.Errorf("in %s, %q: %t", tc.dir, tc.args, got)
		}
	}
	if parse([]string{"./server", "/"}).inRoot("run", "/src") {
		t.Error("an argument of the program is taken for a package")
	}
}

func TestFlagOf(t *testing.T) {
	for args, want := range map[string]string{
		"-v --start=keep ./cmd":        "--start=keep",
		"-o start ./cmd":               "", // the value of another
		"-tags start -no-setcap .":     "-no-setcap",
		"./cmd -start=keep":            "", // the program's own
		"-test.v -args -no-setcap":     "",
		"-start=keep -no-setcap ./...": "-start=keep",
	} {
		if got := FlagOf(strings.Fields(args), "start", "no-setcap"); got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
}
