package program

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// FromArchive describes an image made elsewhere, whose file inImage is the
// same program as the one at path.
func FromArchive(name, archive, inImage, path string) (*Program, error) {
	ref, err := firstTag(archive)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", archive, err)
	}
	return &Program{Name: name, Path: path, Archive: archive, Ref: ref, InImage: inImage}, nil
}

// firstTag reads the first name in the manifest of a docker-archive.
func firstTag(archive string) (string, error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read from
	tr := tar.NewReader(f)
	for {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("no manifest.json")
		}
		if err != nil {
			return "", err
		}
		if header.Name != "manifest.json" {
			continue
		}
		var manifest []struct{ RepoTags []string }
		if err := json.NewDecoder(tr).Decode(&manifest); err != nil {
			return "", fmt.Errorf("manifest.json: %w", err)
		}
		if len(manifest) == 0 || len(manifest[0].RepoTags) == 0 {
			return "", errors.New("manifest.json names no tag")
		}
		return manifest[0].RepoTags[0], nil
	}
}
