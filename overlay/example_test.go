package overlay_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/capwise/capwise/overlay"
)

// Writes an overlay for the toolchain at hand; "go build -overlay" takes the file.
func ExampleToolchain_Write() {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		panic(err)
	}
	folder, err := os.MkdirTemp("", "overlay-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // an example
	tool := overlay.Toolchain{GOROOT: strings.TrimSpace(string(goroot)), GOARCH: "amd64"}
	name, err := tool.Write(folder, overlay.Options{Start: overlay.StartKeep})
	fmt.Println(filepath.Dir(name) == folder, filepath.Ext(name), err)
	// Output: true .json <nil>
}
