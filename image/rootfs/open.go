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

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// References says which references [Open] takes, for messages and help.
const References = "docker-archive:FILE, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker:NAME, podman:NAME"

// Open reads the image that the reference names. docker: and podman: ask the
// engine of that name for it. Of an image for several platforms it takes that
// of this machine, on Linux.
func Open(reference string) (*Image, error) {
	kind, name, ok := strings.Cut(reference, ":")
	if !ok || name == "" {
		return nil, fmt.Errorf("image %q: want one of %s", reference, References)
	}
	img, err := open(kind, name, reference)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", reference, err)
	}
	return img, nil
}

func open(kind, name, reference string) (*Image, error) {
	switch kind {
	case "docker-archive":
		return openArchive(name, reference)
	case "oci":
		dir, tag := cutTag(name)
		return openLayout(dir, tag, reference)
	case "oci-archive":
		file, tag := cutTag(name)
		return openLayoutArchive(file, tag, reference)
	case "docker", "podman":
		return openSaved(kind, name, reference)
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

func openArchive(file, reference string) (*Image, error) {
	img, err := tarball.ImageFromPath(file, nil)
	if err != nil {
		return nil, err
	}
	return New(img, reference)
}

func openLayout(dir, tag, reference string) (*Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	img, err := choose(index, tag)
	if err != nil {
		return nil, err
	}
	return New(img, reference)
}

// refName is the annotation that holds the tag in an OCI layout.
const refName = "org.opencontainers.image.ref.name"

// choose returns the image with the tag, for this machine's platform.
func choose(index v1.ImageIndex, tag string) (v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var seen []string
	for _, d := range manifest.Manifests {
		name := d.Annotations[refName]
		if tag != "" && name != tag && !strings.HasSuffix(name, ":"+tag) {
			seen = append(seen, name)
			continue
		}
		switch {
		case d.MediaType.IsIndex():
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			return choose(inner, "")
		case d.Platform == nil || d.Platform.OS == "linux" && d.Platform.Architecture == runtime.GOARCH:
			return index.Image(d.Digest)
		default:
			seen = append(seen, d.Platform.String())
		}
	}
	return nil, fmt.Errorf("no image with tag %q for linux/%s; there are %q", tag, runtime.GOARCH, seen)
}

// openSaved lets the engine write the image to a file, which it reads and
// removes.
func openSaved(engine, name, reference string) (_ *Image, err error) {
	dir, err := os.MkdirTemp("", "capwise-image-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "image.tar")
	args := []string{"save", "-o", file, "--", name}
	if engine == "podman" {
		args = []string{"save", "--format", "docker-archive", "-o", file, "--", name}
	}
	var stderr strings.Builder
	cmd := exec.Command(engine, args...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s save: %w: %s", engine, err, strings.TrimSpace(stderr.String()))
	}
	return openArchive(file, reference)
}

// openLayoutArchive unpacks the blobs of an archive to a folder, which it reads
// and removes.
func openLayoutArchive(file, tag, reference string) (_ *Image, err error) {
	dir, err := os.MkdirTemp("", "capwise-image-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := unpack(file, dir); err != nil {
		return nil, err
	}
	return openLayout(dir, tag, reference)
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
