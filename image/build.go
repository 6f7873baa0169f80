package image

import (
	"fmt"
	"time"

	"github.com/capwise/capwise/filecap"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Root is the root file system of one platform.
type Root struct {
	Platform v1.Platform
	Dir      string
}

// Options vary an image without being part of what it is.
type Options struct {
	// FileCaps are the capabilities of the program; nil writes none.
	FileCaps *filecap.Caps
	// Created is the time of the image and of all its files. It is cut to
	// seconds, which is what a tar header holds.
	Created time.Time
}

// Set is one image for each platform.
type Set struct {
	// Spec has its version filled in.
	Spec Spec
	// Index lists the images of all platforms.
	Index v1.ImageIndex
	// Images are in the order of the roots.
	Images []Image
}

// Image is the image of one platform.
type Image struct {
	v1.Image
	Platform v1.Platform
}

// Build packs each root. It reads the version from the programs, which must
// agree in it, and refuses what could not be started on its platform. An
// error names the root and the file in it.
func Build(spec Spec, roots []Root, opts Options) (*Set, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("%s: no root file system is given", spec.Name)
	}
	trees, version, err := readRoots(spec, roots)
	if err != nil {
		return nil, err
	}
	b := builder{spec: spec.expand(version), created: opts.Created.UTC().Truncate(time.Second)}
	if opts.FileCaps != nil {
		if b.xattr, err = opts.FileCaps.MarshalBinary(); err != nil {
			return nil, fmt.Errorf("file capabilities %v: %w", opts.FileCaps, err)
		}
	}
	set := &Set{Spec: b.spec, Index: mutate.IndexMediaType(empty.Index, types.OCIImageIndex)}
	for i, root := range roots {
		img, err := b.build(trees[i], root.Platform)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", root.Dir, err)
		}
		set.Images = append(set.Images, Image{img, root.Platform})
		set.Index = mutate.AppendManifests(set.Index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &root.Platform},
		})
	}
	return set, nil
}

// readRoots reads and checks all roots and returns the one version that their
// programs have.
func readRoots(spec Spec, roots []Root) (trees [][]entry, common string, err error) {
	program := rel(spec.Program)
	for i, root := range roots {
		tree, err := readTree(root.Dir)
		if err != nil {
			return nil, "", err
		}
		if err := checkProgram(tree, program); err != nil {
			return nil, "", fmt.Errorf("%s: %w", root.Dir, err)
		}
		if err := checkBinaries(tree, root.Platform); err != nil {
			return nil, "", fmt.Errorf("%s: %w", root.Dir, err)
		}
		v, err := version(find(tree, program).data, spec.Module)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %s: %w", root.Dir, program, err)
		}
		if i > 0 && v != common {
			return nil, "", fmt.Errorf("%s: %s: has version %s, but that of %s has %s",
				root.Dir, program, v, roots[0].Dir, common)
		}
		trees, common = append(trees, tree), v
	}
	return trees, common, nil
}

// builder holds what is the same on every platform.
type builder struct {
	spec    Spec
	created time.Time
	xattr   []byte
}

func (b builder) build(tree []entry, p v1.Platform) (v1.Image, error) {
	program := rel(b.spec.Program)
	rest, own := split(tree, program)
	find(own, program).xattr = b.xattr

	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: p.Architecture,
		OS:           p.OS,
		Variant:      p.Variant,
		Created:      v1.Time{Time: b.created},
		Config:       b.spec.Config,
		RootFS:       v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		comment string
		entries []entry
	}{{"base files", rest}, {b.spec.Program, own}} {
		layer, err := newLayer(part.entries, b.created)
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{
			Created:   v1.Time{Time: b.created},
			CreatedBy: "capwise-image",
			Comment:   part.comment,
		}})
		if err != nil {
			return nil, err
		}
	}
	return img, nil
}
