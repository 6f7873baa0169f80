// Package rootfs reads the root file system of a container image: its layers,
// one over the other, with whiteouts and hard links honoured, as the file system
// that a container of it starts with.
//
// [Open] takes a reference such as "docker-archive:caddy.tar"; [New] takes an
// image that is open already. Nothing is unpacked, and no root is needed.
package rootfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// References says which references [Open] takes, for messages and help.
const References = "docker-archive:FILE, oci:DIR[:TAG], oci-archive:FILE[:TAG], tar:FILE, docker:NAME, podman:NAME, registry:NAME"

// Open reads the image that the reference names. docker: and podman: ask the
// engine of that name for it, registry: the registry, with the credentials of
// the user's Docker configuration; tar: is the archive of a root file system. Of
// an image for several platforms it takes that of this machine, on Linux.
func Open(reference string) (*Image, error) {
	return with(reference, func(candidates []candidate) (*Image, error) {
		seen := make([]string, len(candidates))
		for i, c := range candidates {
			if c.platform == nil || c.platform.Architecture == runtime.GOARCH {
				return New(c.image, reference)
			}
			seen[i] = c.platform.String()
		}
		return nil, fmt.Errorf("no image for linux/%s; there are %q", runtime.GOARCH, seen)
	})
}

// OpenAll reads the images of all platforms, whose names then end in that of the
// platform, and keeps the contents of files with capabilities. The caller closes
// them.
func OpenAll(reference string) ([]*Image, error) {
	return with(reference, func(candidates []candidate) ([]*Image, error) {
		var out []*Image
		for _, c := range candidates {
			name := reference
			if len(candidates) > 1 && c.platform != nil {
				name += " " + c.platform.String()
			}
			img, err := read(c.image, name, true)
			if err != nil {
				for _, opened := range out {
					err = errors.Join(err, opened.Close())
				}
				return nil, err
			}
			out = append(out, img)
		}
		return out, nil
	})
}

// candidate is an image for one platform; nil where it does not say.
type candidate struct {
	image    v1.Image
	platform *v1.Platform
}

// with calls fn with the images of a reference, of which there is at least one.
// What had to be copied to read them is gone afterwards.
func with[T any](reference string, fn func([]candidate) (T, error)) (out T, err error) {
	kind, name, ok := strings.Cut(reference, ":")
	if !ok || name == "" {
		return out, fmt.Errorf("image %q: want one of %s", reference, References)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("image %q: %w", reference, err)
		}
	}()
	var copies copies
	defer func() { err = errors.Join(err, copies.remove()) }()
	candidates, err := find(kind, name, &copies)
	if err == nil && len(candidates) == 0 {
		err = errors.New("no image for Linux in it")
	}
	if err != nil {
		return out, err
	}
	return fn(candidates)
}

// copies is a temporary folder, made when it is needed first.
type copies struct{ dir string }

func (c *copies) folder() (string, error) {
	var err error
	if c.dir == "" {
		c.dir, err = os.MkdirTemp("", "capwise-image-")
	}
	return c.dir, err
}

func (c *copies) remove() error {
	if c.dir == "" {
		return nil
	}
	return os.RemoveAll(c.dir)
}

// find finds the images.
func find(kind, name string, c *copies) ([]candidate, error) {
	switch kind {
	case "docker-archive":
		return inArchive(name)
	case "oci":
		path, tag := cutTag(name)
		return inLayout(path, tag)
	case "oci-archive":
		return inLayoutArchive(name, c)
	case "tar":
		return inTar(name)
	case "docker", "podman":
		return inEngine(kind, name, c)
	case "registry":
		return inRegistry(name)
	default:
		return nil, fmt.Errorf("unknown kind %q: want one of %s", kind, References)
	}
}

// cutTag splits DIR[:TAG]; a colon before a slash belongs to the folder.
func cutTag(name string) (file, tag string) {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], name[i+1:]
	}
	return name, ""
}

func inArchive(file string) ([]candidate, error) {
	img, err := tarball.ImageFromPath(file, nil)
	return []candidate{{image: img}}, err
}

// inLayoutArchive unpacks an archive, to read it as a layout.
func inLayoutArchive(name string, c *copies) ([]candidate, error) {
	file, tag := cutTag(name)
	dir, err := c.folder()
	if err != nil {
		return nil, err
	}
	if err := unpack(file, dir); err != nil {
		return nil, err
	}
	return inLayout(dir, tag)
}

// inEngine reads what the engine saves.
func inEngine(engine, name string, c *copies) ([]candidate, error) {
	dir, err := c.folder()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "image.tar")
	if err := save(engine, name, file); err != nil {
		return nil, err
	}
	return inArchive(file)
}

// inTar makes an image of one layer of an archive.
func inTar(file string) ([]candidate, error) {
	layer, err := tarball.LayerFromFile(file)
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	return []candidate{{image: img}}, err
}

// refName is the annotation that holds the tag in an OCI layout.
const refName = "org.opencontainers.image.ref.name"

func inLayout(dir, tag string) ([]candidate, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var seen []string
	for _, d := range manifest.Manifests {
		name := d.Annotations[refName]
		if tag == "" || name == tag || strings.HasSuffix(name, ":"+tag) {
			return inDescriptor(index, d)
		}
		seen = append(seen, name)
	}
	return nil, fmt.Errorf("no image with tag %q; there are %q", tag, seen)
}

// inDescriptor returns the image that an entry of an index stands for, or those
// of the index that it stands for.
func inDescriptor(index v1.ImageIndex, d v1.Descriptor) ([]candidate, error) {
	if !d.MediaType.IsIndex() {
		img, err := index.Image(d.Digest)
		return []candidate{{img, d.Platform}}, err
	}
	inner, err := index.ImageIndex(d.Digest)
	if err != nil {
		return nil, err
	}
	return inIndex(inner)
}

// inIndex returns the images for Linux. An attestation, which is for the
// platform "unknown", is none.
func inIndex(index v1.ImageIndex) ([]candidate, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var out []candidate
	for _, d := range manifest.Manifests {
		if d.MediaType.IsImage() && (d.Platform == nil || d.Platform.OS == "linux") {
			img, err := index.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			out = append(out, candidate{img, d.Platform})
		}
	}
	return out, nil
}

func inRegistry(text string) ([]candidate, error) {
	ref, err := name.ParseReference(text)
	if err != nil {
		return nil, err
	}
	d, err := remote.Get(ref, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, err
	}
	if !d.MediaType.IsIndex() {
		img, err := d.Image()
		return []candidate{{image: img}}, err
	}
	index, err := d.ImageIndex()
	if err != nil {
		return nil, err
	}
	return inIndex(index)
}

// save lets the engine write the image to a file.
func save(engine, name, file string) error {
	args := []string{"save", "-o", file, "--", name}
	if engine == "podman" {
		args = []string{"save", "--format", "docker-archive", "-o", file, "--", name}
	}
	var stderr strings.Builder
	cmd := exec.Command(engine, args...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s save: %w: %s", engine, err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// unpack writes the regular files of a tar archive below dir, and nothing else.
func unpack(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	archive := tar.NewReader(f)
	for {
		hdr, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if hdr.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, filepath.Clean(hdr.Name), archive); err != nil {
			return fmt.Errorf("%s: %w", hdr.Name, err)
		}
	}
}

func unpackFile(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
