package facts_test

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/capwise/capwise/image/facts"
)

// Example makes facts of a layer and keeps them, and asks an image that has another layer
// over it.
func Example() {
	dir, err := os.MkdirTemp("", "facts")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is for the example only
	cache, err := facts.OpenCache(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close()

	// The entries of a layer, as whoever reads it gives them: cap_net_bind_service=p.
	attribute := []byte("\x00\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	digest := "sha256:" + strings.Repeat("a", 64)
	if err := keep(cache, digest,
		facts.Item{Path: "/bin", Mode: fs.ModeDir | 0o755},
		facts.Item{Path: "/bin/server", Mode: 0o755, Head: []byte("\x7fELF"), Attribute: attribute},
		facts.Item{Path: "/bin/web", Link: "server", Mode: fs.ModeSymlink | 0o777},
	); err != nil {
		fmt.Println(err)
		return
	}
	above := "sha256:" + strings.Repeat("b", 64)
	if err := keep(cache, above, facts.Item{Path: "/bin/.wh.server"}); err != nil {
		fmt.Println(err)
		return
	}

	// Another run finds them.
	lower, upper := cache.Layer(digest), cache.Layer(above)
	defer lower.Close()
	defer upper.Close()
	for _, layers := range [][]*facts.Layer{{lower}, {lower, upper}} {
		stack, err := facts.NewStack(layers...)
		if err != nil {
			fmt.Println(err)
			return
		}
		info, err := stack.Stat("/bin/web")
		fmt.Printf("%d layers: %q %v; %d files with capabilities\n", len(layers), info.Path, err, len(stack.Capable()))
	}
	// Output:
	// 1 layers: "/bin/server" <nil>; 1 files with capabilities
	// 2 layers: "" file does not exist; 0 files with capabilities
}

// keep makes the facts of a layer with these entries, and keeps them by its digest.
func keep(cache *facts.Cache, digest string, items ...facts.Item) error {
	b := facts.NewBuilder()
	for _, i := range items {
		if _, err := b.Add(&i); err != nil {
			return err
		}
	}
	layer, err := cache.Finish(b, digest)
	if err != nil {
		return err
	}
	return layer.Close()
}
