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

// writeArchive writes a docker-archive with one layer, which holds p.Path with
// its security.capability attribute, and the folders Caddy writes to.
// This is a second implementation beside the project's image writer on purpose:
// it makes the images that the project does not ship.
func writeArchive(p *Program) error {
	layer, err := os.CreateTemp(filepath.Dir(p.Archive), "layer-")
	if err != nil {
		return err
	}
	defer func() {
		_ = layer.Close()           // its content has been copied or given up
		_ = os.Remove(layer.Name()) // in the sandbox's own tmpfs
	}()
	diffID := sha256.New()
	if err := writeLayer(io.MultiWriter(layer, diffID), p); err != nil {
		return err
	}
	out, err := os.Create(p.Archive)
	if err != nil {
		return err
	}
	return errors.Join(writeImage(out, p, layer, diffID), out.Close())
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

func writeImage(w io.Writer, p *Program, layer *os.File, diffID hash.Hash) error {
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64",
		"os":           "linux",
		"config": map[string]any{
			"Env": []string{"PATH=/usr/bin", "XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"},
			"Cmd": []string{p.InImage},
		},
		"rootfs": map[string]any{
			"type":     "layers",
			"diff_ids": []string{"sha256:" + hex.EncodeToString(diffID.Sum(nil))},
		},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "config.json", "RepoTags": []string{p.Ref}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	size, err := layer.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, entry := range []struct {
		name    string
		size    int64
		content io.Reader
	}{
		{"manifest.json", int64(len(manifest)), bytes.NewReader(manifest)},
		{"config.json", int64(len(config)), bytes.NewReader(config)},
		{"layer.tar", size, io.NewSectionReader(layer, 0, size)},
	} {
		if err := tw.WriteHeader(&tar.Header{Name: entry.name, Mode: 0o644, Size: entry.size}); err != nil {
			return err
		}
		if _, err := io.Copy(tw, entry.content); err != nil {
			return fmt.Errorf("%s: %w", entry.name, err)
		}
	}
	return tw.Close()
}
