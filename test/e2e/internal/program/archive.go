package program

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// layer is an uncompressed layer of an image.
type layer struct {
	file   *os.File
	diffID string
}

// writeArchive writes a docker-archive with one layer, which holds p.Path with
// its security.capability attribute, and the folders Caddy writes to.
// This is a second implementation beside the project's image writer on purpose:
// it makes the images that the project does not ship.
func writeArchive(p *Program) error {
	file, err := os.CreateTemp(filepath.Dir(p.Archive), "layer-")
	if err != nil {
		return err
	}
	defer func() {
		_ = file.Close()           // its content has been copied or given up
		_ = os.Remove(file.Name()) // in the sandbox's own tmpfs
	}()
	diffID := sha256.New()
	if err := writeLayer(io.MultiWriter(file, diffID), p); err != nil {
		return err
	}
	return writeLayers(p, []layer{{file, digest(diffID)}})
}

// FromLayers writes an image of the layers in the given tar archives, which has
// more than one program.
func FromLayers(dir, name string, archives ...string) (_ *Program, err error) {
	p := &Program{Name: name, Archive: filepath.Join(dir, name+".tar"), Ref: refOf(name), InImage: "/bin/sh"}
	var layers []layer
	for _, a := range archives {
		f, err := os.Open(a)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // only read from
		diffID := sha256.New()
		if _, err := io.Copy(diffID, f); err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
		layers = append(layers, layer{f, digest(diffID)})
	}
	return p, writeLayers(p, layers)
}

func digest(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }

func writeLayers(p *Program, layers []layer) error {
	out, err := os.Create(p.Archive)
	if err != nil {
		return err
	}
	return errors.Join(writeImage(out, p, layers), out.Close())
}

func writeLayer(w io.Writer, p *Program) error {
	tw := tar.NewWriter(w)
	for _, dir := range []string{"config/", "data/", "etc/", "tmp/", "usr/", "usr/bin/"} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}
		if dir == "tmp/" {
			header.Mode = 0o1777
		}
		if err := tw.WriteHeader(header); err != nil {
			return err
		}
	}
	if err := writeFile(tw, p.Path, p.InImage); err != nil {
		return err
	}
	if p.Target != "" {
		if err := writeFile(tw, p.Target, p.InImage+TargetSuffix); err != nil {
			return err
		}
	}
	return tw.Close()
}

func writeFile(tw *tar.Writer, path, inImage string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	header, err := programHeader(f, inImage)
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

func programHeader(f *os.File, inImage string) (*tar.Header, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	header := &tar.Header{Name: strings.TrimPrefix(inImage, "/"), Mode: 0o755, Size: info.Size()}
	const xattr = "security.capability"
	value := make([]byte, 64) // v3, the longest, has 24
	n, err := unix.Fgetxattr(int(f.Fd()), xattr, value)
	switch {
	case errors.Is(err, unix.ENODATA):
		return header, nil
	case err != nil:
		return nil, fmt.Errorf("%s of %s: %w", xattr, f.Name(), err)
	}
	header.PAXRecords = map[string]string{"SCHILY.xattr." + xattr: string(value[:n])}
	return header, nil
}

// entry is a file in the archive.
type entry struct {
	name    string
	size    int64
	content io.Reader
}

func writeImage(w io.Writer, p *Program, layers []layer) error {
	var names, diffIDs []string
	var files []entry
	for i, l := range layers {
		size, err := l.file.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		name := "layer.tar"
		if i > 0 {
			name = fmt.Sprintf("layer%d.tar", i+1)
		}
		names, diffIDs = append(names, name), append(diffIDs, l.diffID)
		files = append(files, entry{name, size, io.NewSectionReader(l.file, 0, size)})
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64",
		"os":           "linux",
		"config": map[string]any{
			"Env": []string{"PATH=/usr/bin", "XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"},
			"Cmd": []string{p.InImage},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "config.json", "RepoTags": []string{p.Ref}, "Layers": names,
	}})
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, e := range append([]entry{
		{"manifest.json", int64(len(manifest)), bytes.NewReader(manifest)},
		{"config.json", int64(len(config)), bytes.NewReader(config)},
	}, files...) {
		if err := tw.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: e.size}); err != nil {
			return err
		}
		if _, err := io.Copy(tw, e.content); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return tw.Close()
}
