package fix

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/capwise/capwise/image/store"
)

// about lists what the registry has about a manifest: cosign's tags, and referrers.
func about(r *store.Registry, digest string) ([]string, error) {
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
