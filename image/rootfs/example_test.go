package rootfs_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/capwise/capwise/image/rootfs"
)

// Example opens an archive as "docker save" writes it, and prints which programs in its
// image carry capabilities, and their class: a file of four bytes does not tell whether it
// raises by itself.
func Example() {
	dir, err := os.MkdirTemp("", "rootfs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is for the example only
	archive := filepath.Join(dir, "web.tar")
	if err := writeImage(archive); err != nil {
		fmt.Println(err)
		return
	}

	source, err := rootfs.Open("docker-archive:"+archive, rootfs.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer source.Close()
	err = source.Each(func(image *rootfs.Image) error {
		fmt.Println(image.Label(), image.Platform, image.Config.Entrypoint)
		findings, err := image.Findings()
		for _, f := range findings {
			fmt.Println(f.Path, f.Class)
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// web:1 linux/amd64 [/bin/web]
	// /bin/web unknown
}

// writeImage writes an image with one program, which carries cap_net_bind_service=ep.
func writeImage(path string) error {
	attribute := map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	layer, err := archiveOf(tar.Header{Name: "bin/web", Mode: 0o755, PAXRecords: attribute}, "\x7fELF")
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`{"os":"linux","architecture":"amd64","config":{"Entrypoint":["/bin/web"]},"rootfs":{"diff_ids":["sha256:%x"]}}`, sha256.Sum256(layer))
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range map[string]string{
		"layer.tar": string(layer), "config.json": config,
		"manifest.json": `[{"Config":"config.json","RepoTags":["web:1"],"Layers":["layer.tar"]}]`,
	} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, errWrite := w.Write([]byte(content))
		err = errors.Join(err, errWrite)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

// archiveOf is an archive of one file.
func archiveOf(h tar.Header, content string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h.Size = int64(len(content))
	err := w.WriteHeader(&h)
	_, errWrite := w.Write([]byte(content))
	err = errors.Join(err, errWrite, w.Close())
	return b.Bytes(), err
}
