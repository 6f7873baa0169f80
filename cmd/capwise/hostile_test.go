package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// effectiveCaps is the attribute of cap_net_bind_service=ep.
const effectiveCaps = "\x01\x00\x00\x02\x00\x04" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

const capsRecord = "SCHILY.xattr.security.capability"

// rawEntry is an entry of a tar archive with PAX records, as no library writes it.
func rawEntry(name string, content []byte, kind byte, records ...string) []byte {
	var out []byte
	if len(records) > 0 {
		var pax []byte
		for i := 0; i < len(records); i += 2 {
			body := " " + records[i] + "=" + records[i+1] + "\n"
			n := len(body)
			for len(fmt.Sprint(n))+len(body) != n {
				n = len(fmt.Sprint(n)) + len(body)
			}
			pax = append(pax, fmt.Sprint(n)+body...)
		}
		out = append(rawHeader("PaxHeaders/x", len(pax), 'x'), padded(pax)...)
	}
	return append(append(out, rawHeader(name, len(content), kind)...), padded(content)...)
}

func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&511)...) }

func rawHeader(name string, size int, kind byte) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00        ", 0o755, 0, 0, size, 0))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

var tarEnd = make([]byte, 1024)

// sparseEntry claims to be a file of real bytes with none in it.
func sparseEntry(name string, real int64, records ...string) []byte {
	size := fmt.Sprint(real)
	return rawEntry(name, padded([]byte("1\n"+size+"\n0\n")), '0', append(records,
		"GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", name, "GNU.sparse.realsize", size)...)
}

func gz(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func digestText(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// dockerArchive writes an image of layers, which are as they are, compressed or
// not, with the digests of what they unpack to.
func dockerArchive(t testing.TB, file string, layers [][]byte, diffIDs []string) {
	t.Helper()
	config, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{"Entrypoint": []string{"/bin/x"}}, "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range layers {
		names = append(names, fmt.Sprintf("l%d/layer.tar", i))
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{"x:1"}, "Layers": names}})
	if err != nil {
		t.Fatal(err)
	}
	archiveFile(t, file, append([]namedFile{{"config.json", config}, {"manifest.json", manifest}}, layerFiles(names, layers)...))
}

type namedFile struct {
	name    string
	content []byte
}

func layerFiles(names []string, layers [][]byte) (out []namedFile) {
	for i := range layers {
		out = append(out, namedFile{names[i], layers[i]})
	}
	return out
}

// archiveFile writes an archive of files.
func archiveFile(t testing.TB, file string, files []namedFile) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for _, n := range files {
		if err := w.WriteHeader(&tar.Header{Name: n.name, Mode: 0o644, Size: int64(len(n.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(n.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// dockerOf is dockerArchive for archives of layers, which it compresses.
func dockerOf(t testing.TB, dir string, archives ...[]byte) string {
	t.Helper()
	var layers [][]byte
	var ids []string
	for _, a := range archives {
		layers = append(layers, gz(t, a))
		ids = append(ids, digestText(a))
	}
	file := filepath.Join(dir, "image.tar")
	dockerArchive(t, file, layers, ids)
	return "docker-archive:" + file
}

// layoutOf writes an OCI layout of one image for each tag.
func layoutOf(t testing.TB, dir string, archive []byte, tags ...string) string {
	t.Helper()
	l := &layoutWriter{t: t, dir: filepath.Join(dir, "layout")}
	for _, tag := range tags {
		// Each image has a layer of its own.
		l.image(tag, append(rawEntry("only/"+tag, []byte("#!/bin/sh\n"+tag), '0', capsRecord, effectiveCaps), archive...))
	}
	l.finish()
	return "oci:" + l.dir
}

type layoutWriter struct {
	t         testing.TB
	dir       string
	manifests []any
}

func (l *layoutWriter) put(b []byte) map[string]any {
	l.t.Helper()
	digest := digestText(b)
	name := filepath.Join(l.dir, "blobs/sha256", digest[7:])
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		l.t.Fatal(err)
	}
	return map[string]any{"digest": digest, "size": len(b)}
}

func (l *layoutWriter) json(v any) []byte {
	l.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

func (l *layoutWriter) image(tag string, archives ...[]byte) map[string]any {
	l.t.Helper()
	var layers []any
	var ids []string
	for _, a := range archives {
		d := l.put(gz(l.t, a))
		d["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
		layers, ids = append(layers, d), append(ids, digestText(a))
	}
	config := l.put(l.json(map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{}, "rootfs": map[string]any{"type": "layers", "diff_ids": ids}}))
	config["mediaType"] = "application/vnd.oci.image.config.v1+json"
	m := l.put(l.json(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers}))
	m["mediaType"], m["annotations"] = "application/vnd.oci.image.manifest.v1+json", map[string]string{"org.opencontainers.image.ref.name": tag}
	l.manifests = append(l.manifests, m)
	return m
}

func (l *layoutWriter) finish() {
	l.t.Helper()
	for name, text := range map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": string(l.json(map[string]any{"schemaVersion": 2, "manifests": l.manifests}))} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
}

// checkLayout holds that all that the index names is there. It returns how many
// images it names, and how many blobs there are.
func checkLayout(t testing.TB, dir string) (images, blobs int) {
	t.Helper()
	type descriptor struct{ Digest string }
	read := func(name string, v any) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatalf("the layout is destroyed: %v", err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	blob := func(d descriptor) string { return "blobs/sha256/" + strings.TrimPrefix(d.Digest, "sha256:") }
	var index struct{ Manifests []descriptor }
	read("index.json", &index)
	for _, d := range index.Manifests {
		var m struct {
			Config descriptor
			Layers []descriptor
		}
		read(blob(d), &m)
		for _, b := range append(m.Layers, m.Config) {
			if _, err := os.Stat(filepath.Join(dir, blob(b))); err != nil {
				t.Fatalf("the layout is destroyed: %v", err)
			}
		}
	}
	all, err := os.ReadDir(filepath.Join(dir, "blobs/sha256"))
	if err != nil {
		t.Fatal(err)
	}
	return len(index.Manifests), len(all)
}

// streamLayer writes a gzip layer from a function, and returns its file.
func streamLayer(t testing.TB, file string, write func(io.Writer)) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
