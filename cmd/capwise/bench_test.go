package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkExplainManifest explains a manifest of 1,000 documents.
func BenchmarkExplainManifest(b *testing.B) {
	document, err := os.ReadFile("../../docs/examples/deployment.yaml")
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(strings.Repeat(string(document)+"---\n", 1000)), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		root := newRoot()
		root.SetOut(io.Discard)
		root.SetArgs([]string{"explain", "--policy=restricted", "--file-caps=cap_net_bind_service=ep", "--format=json", "-f", file})
		if err := root.Execute(); !errors.Is(err, errFails) {
			b.Fatal(err)
		}
	}
}
