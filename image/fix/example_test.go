package fix

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the image that the documentation fixes")

const exampleFile = "../../docs/examples/server.tar"

// TestExample holds the image that documentation and scripts of the command use
// to its recipe: a layer with a base and one with a program that has =ep.
func TestExample(t *testing.T) {
	f := newFixture(t)
	f.docker(plain,
		tarOf(t, fileSpec{name: "etc/"}, fileSpec{name: "etc/hostname", size: 8}),
		tarOf(t, fileSpec{name: "usr/bin/server", caps: effectiveCaps, size: 300}))
	path := strings.TrimPrefix(f.write("docker-archive"), "docker-archive:")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(exampleFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(exampleFile); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what its recipe gives (%v); run this test with -update", exampleFile, err)
	}
}
