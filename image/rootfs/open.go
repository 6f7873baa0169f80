// Package rootfs reads the root file system of a container image: its layers,
// one over the other, with whiteouts and hard links honoured, as the file system
// that a container of it starts with.
//
// [Open] takes a reference such as "docker-archive:caddy.tar", [Each] the images
// of all platforms; [New] takes an image that is open already. Nothing is
// unpacked, and no root is needed.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/capwise/capwise/image/internal/store"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/scenario"
)

// References says which references [Open] takes, for messages and help.
const References = "docker-archive:FILE, oci:DIR[:TAG], oci-archive:FILE[:TAG], tar:FILE, docker:NAME, podman:NAME, registry:NAME"

// Open reads the image that the reference names. docker: and podman: ask the
// engine of that name for it, registry: the registry, with the credentials of
// the user's Docker configuration; tar: is the archive of a root file system. Of
// an image for several platforms it takes that of this machine, on Linux. The
// caller closes it.
func Open(reference string) (out *Image, err error) {
	err = with(reference, func(list []candidate) error {
		seen := make([]string, len(list))
		for i, c := range list {
			if c.arch == "" || c.arch == runtime.GOARCH {
				out, err = c.read(reference, false)
				return err
			}
			seen[i] = c.platform
		}
		return fmt.Errorf("no image for linux/%s; there are %q", runtime.GOARCH, seen)
	})
	return out, err
}

// Each calls fn with the images of all platforms, one after the other, whose
// names then end in that of the platform. The contents of files with capabilities
// are kept for as long as fn takes.
func Each(reference string, fn func(*Image) error) error {
	return with(reference, func(list []candidate) error {
		for _, c := range list {
			name := reference
			if len(list) > 1 && c.platform != "" {
				name += " " + c.platform
			}
			img, err := c.read(name, true)
			if err != nil {
				return err
			}
			if err := errors.Join(fn(img), img.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}

// candidate is an image for one platform; "" where it does not say.
type candidate struct {
	platform, arch string
	config         func() (scenario.ImageConfig, error)
	layers         []layer
}

func (c *candidate) read(name string, keep bool) (*Image, error) {
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	return read(config, c.layers, name, keep)
}

// with calls fn with the images of a reference, of which there is at least one.
func with(reference string, fn func([]candidate) error) (err error) {
	kind, name, ok := strings.Cut(reference, ":")
	if !ok || name == "" {
		return fmt.Errorf("image %q: want one of %s", reference, References)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("image %q: %w", reference, err)
		}
	}()
	if kind == "tar" {
		return withTar(name, fn)
	}
	f := finder{}
	if f.store, err = openStore(kind, name, &f); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.store.Close()) }()
	list, err := f.find()
	if err == nil && len(list) == 0 {
		err = errors.New("no image for Linux in it")
	}
	if err != nil {
		return err
	}
	return fn(list)
}

// openStore opens where the image lies.
func openStore(kind, name string, f *finder) (store.Store, error) {
	switch kind {
	case "docker-archive":
		f.docker = true
		return store.OpenArchive(name, false)
	case "oci":
		name, f.tag = cutTag(name)
		return store.OpenDir(name)
	case "oci-archive":
		name, f.tag = cutTag(name)
		return store.OpenArchive(name, false)
	case "docker", "podman":
		f.docker = true
		return saved(kind, name)
	case "registry":
		return store.OpenRegistry(name, "")
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

// withTar makes an image of one layer of an archive.
func withTar(name string, fn func([]candidate) error) error {
	f, err := plainfile.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading
	info, err := f.Stat()
	if err != nil {
		return err
	}
	none := func() (scenario.ImageConfig, error) { return scenario.ImageConfig{}, nil }
	file := &store.File{Name: name, SectionReader: io.NewSectionReader(f, 0, info.Size())}
	return fn([]candidate{{config: none, layers: []layer{fileLayer{file}}}})
}
