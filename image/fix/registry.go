package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/capwise/capwise/image/internal/store"
)

// kindRegistry is the kind of a target in a registry.
const kindRegistry = "registry"

// registry is an image in a registry.
type registry struct{ *store.Registry }

// tagOf returns the tag of a name; "" if it names a digest.
func tagOf(text string) (string, error) {
	ref, err := name.ParseReference(text)
	if tag, ok := ref.(name.Tag); ok {
		return tag.TagStr(), err
	}
	return "", err
}

func (r registry) open(name string, size int64) (*file, error) { return fileOf(r.Open(name, size)) }

func (r registry) write(path string, changes []change) error {
	return dir{r.Dir}.write(path, changes)
}

// about lists what the registry has about a manifest: cosign's tags, and referrers.
func (r registry) about(digest string) ([]string, error) {
	var out []string
	prefix := strings.Replace(digest, ":", "-", 1)
	for _, end := range []string{".sig", ".att", ".sbom"} {
		_, err := r.Source.Head(r.Source.Ref.Context().Tag(prefix + end))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return out, err
		}
		out = append(out, "tag "+prefix+end)
	}
	list, err := r.Source.Referrers(digest)
	for _, d := range list {
		out = append(out, fmt.Sprintf("referrer %s (%s)", d.Digest, d.ArtifactType))
	}
	return out, err
}
