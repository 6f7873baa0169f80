package image

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// refNameAnnotation holds the tag of an image in a layout.
const refNameAnnotation = "org.opencontainers.image.ref.name"

// Output is something that [Set.Write] has written.
type Output struct {
	// Path of the layout's directory or of the archive.
	Path string
	// Digest of the index in a layout, or of the manifest in an archive.
	Digest v1.Hash
}

// Write writes NAME/, an OCI image layout with all platforms, and for each
// platform NAME-ARCH.tar, an archive for "docker load", into dir, which it
// creates if need be. Each of them appears in place of an older one at once,
// and nothing is replaced before all of them are complete.
func (s *Set) Write(dir string) ([]Output, error) {
	tag, err := name.NewTag(s.Spec.Tag)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(dir, "."+s.Spec.Name+"-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()

	outputs, err := s.writeAll(tmp, tag)
	if err != nil {
		return nil, err
	}
	for i, o := range outputs {
		outputs[i].Path = filepath.Join(dir, filepath.Base(o.Path))
		if err := replace(o.Path, outputs[i].Path); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

func (s *Set) writeAll(dir string, tag name.Tag) ([]Output, error) {
	path := filepath.Join(dir, s.Spec.Name)
	if err := writeLayout(path, s.Index, tag); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	digest, err := s.Index.Digest()
	if err != nil {
		return nil, err
	}
	outputs := []Output{{path, digest}}
	for _, img := range s.Images {
		path := filepath.Join(dir, s.Spec.Name+"-"+img.Platform.Architecture+".tar")
		if err := tarball.WriteToFile(path, tag, img.Image); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		digest, err := img.Digest()
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, Output{path, digest})
	}
	return outputs, nil
}

// writeLayout writes a layout whose index.json has one entry, the index of
// all platforms: tools then find it without being told a tag.
func writeLayout(path string, index v1.ImageIndex, tag name.Tag) error {
	l, err := layout.Write(path, empty.Index)
	if err != nil {
		return err
	}
	return l.AppendIndex(index, layout.WithAnnotations(map[string]string{
		refNameAnnotation: tag.TagStr(),
	}))
}
