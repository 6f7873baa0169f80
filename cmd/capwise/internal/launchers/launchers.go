// Package launchers holds the launcher for each architecture. scripts/launchers.sh
// builds them; a command line that was built without has none.
package launchers

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
)

//go:embed all:bin
var bin embed.FS

// Archs lists the architectures, in Go's names. ARM is version 7.
func Archs() []string { return []string{"amd64", "arm", "arm64", "ppc64le", "riscv64", "s390x"} }

// Program returns the launcher for an architecture, in Go's name for it. It has
// no Config yet: launch.Stamp puts one in.
func Program(arch string) ([]byte, error) {
	packed, err := bin.ReadFile("bin/" + arch + ".gz")
	if err != nil {
		return nil, fmt.Errorf("no launcher for %s: there is none for this architecture, or capwise was built without (scripts/launchers.sh): %w", arch, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("launcher for %s: %w", arch, err)
	}
	return io.ReadAll(r)
}
