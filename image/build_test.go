package image

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func build(t *testing.T, opts Options) *Set {
	t.Helper()
	set, err := Build(testSpec, makeRoots(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestBuildPlatforms(t *testing.T) {
	set := build(t, testOptions(t, "cap_net_bind_service=p"))
	manifest, err := set.Index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range manifest.Manifests {
		if m.MediaType != types.OCIManifestSchema1 {
			t.Errorf("media type %s", m.MediaType)
		}
		got = append(got, m.Platform.String())
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64/v8"}, got); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

func TestBuildConfig(t *testing.T) {
	set := build(t, Options{Created: time.Unix(1000, 999)})
	got, err := set.Images[1].ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := &v1.ConfigFile{
		Architecture: "arm64",
		Variant:      "v8",
		OS:           "linux",
		Created:      v1.Time{Time: time.Unix(1000, 0).UTC()},
		Config: v1.Config{
			Env:          []string{"PATH=/usr/bin", "DEMO_VERSION=v1.2.3"},
			Cmd:          []string{"demo", "run"},
			WorkingDir:   "/srv",
			ExposedPorts: map[string]struct{}{"80/tcp": {}},
			Labels:       map[string]string{"org.opencontainers.image.version": "v1.2.3"},
		},
		RootFS:  got.RootFS, // validated in TestWriteReadsBack
		History: got.History,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if testSpec.Config.Env[1] != "DEMO_VERSION=v${VERSION}" {
		t.Error("Build changed the caller's Spec")
	}
}

// readLayers returns one line for each header of each layer.
func readLayers(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%d %c %04o %d:%d %d %s", i, h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), h.Name)
			if h.Linkname != "" {
				line += " -> " + h.Linkname
			}
			for k, v := range h.PAXRecords {
				line += fmt.Sprintf(" %s=%x", k, v)
			}
			lines = append(lines, line)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

func TestBuildLayers(t *testing.T) {
	opts := testOptions(t, "cap_net_bind_service=p")
	opts.Created = time.Unix(77, 0)
	// The bytes as setcap(8) writes them: revision 2 without the effective
	// bit, then the permitted set with bit 10.
	const capability = " SCHILY.xattr.security.capability=0000000200040000000000000000000000000000"
	want := []string{
		"0 5 0755 0:0 77 etc/",
		"0 2 0777 0:0 77 etc/link -> ../usr/bin/demo",
		"0 0 0600 0:0 77 etc/secret",
		"0 5 0755 0:0 77 srv/",
		"0 5 1777 0:0 77 tmp/",
		"0 5 0755 0:0 77 usr/",
		"0 5 0755 0:0 77 usr/bin/",
		"0 5 0755 0:0 77 usr/share/",
		"0 0 0644 0:0 77 usr/share/page.html",
		"1 5 0755 0:0 77 usr/",
		"1 5 0755 0:0 77 usr/bin/",
		"1 0 0755 0:0 77 usr/bin/demo" + capability,
	}
	set := build(t, opts)
	for _, img := range set.Images {
		if diff := cmp.Diff(want, readLayers(t, img)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", img.Platform, diff)
		}
	}
}

func TestBuildFileCaps(t *testing.T) {
	for _, tt := range []struct {
		opts Options
		want string
	}{
		{testOptions(t, "cap_net_bind_service=ep"), "security.capability=0100000200040000000000000000000000000000"},
		{testOptions(t, "cap_net_admin,cap_net_raw=ep"), "security.capability=0100000200300000000000000000000000000000"},
		{Options{}, "usr/bin/demo"},
	} {
		lines := readLayers(t, build(t, tt.opts).Images[0])
		if last := lines[len(lines)-1]; !strings.HasSuffix(last, tt.want) {
			t.Errorf("FileCaps %v: got %q, want suffix %q", tt.opts.FileCaps, last, tt.want)
		}
	}
}

// TestBuildTwice makes the same image from two copies that differ in all that
// must not matter.
func TestBuildTwice(t *testing.T) {
	opts := testOptions(t, "cap_net_bind_service=p")
	var digests []v1.Hash
	for i := range 2 {
		roots := makeRoots(t)
		old := time.Unix(int64(i)*1e9, 0)
		if err := os.Chtimes(filepath.Join(roots[0].Dir, "etc/secret"), old, old); err != nil {
			t.Fatal(err)
		}
		set, err := Build(testSpec, roots, opts)
		if err != nil {
			t.Fatal(err)
		}
		d, err := set.Index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %v", digests)
	}
}

func TestBuildRefuses(t *testing.T) {
	program := func(m elf.Machine, version, interpreter string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "usr/bin/demo"), fakeProgram(t, m, version, interpreter), 0o755)
		}
	}
	write := func(name, data string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, name), []byte(data), mode) }
	}
	for name, tt := range map[string]struct {
		change func(t *testing.T, dir string) // to the root for arm64
		want   string                         // behind the root's name
	}{
		"no program": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "usr/bin/demo")); err != nil {
				t.Fatal(err)
			}
		}, "usr/bin/demo: file does not exist"},
		"a link for a program": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "usr/bin/demo")
			if err := errors.Join(os.Remove(path), os.Symlink("/etc/link", path)); err != nil {
				t.Fatal(err)
			}
		}, "usr/bin/demo: is not a regular file"},
		"a script":            {write("usr/bin/demo", "#!/bin/sh\n", 0o755), "usr/bin/demo: is not an ELF program"},
		"a truncated program": {write("usr/bin/demo", "\x7fELF\x02\x01", 0o755), "usr/bin/demo: damaged ELF file"},
		"not executable":      {write("usr/bin/demo", "\x7fELF", 0o700), "usr/bin/demo: has mode 0700 and cannot be executed by everybody"},
		"other architecture":  {program(elf.EM_X86_64, "v1.2.3", ""), "usr/bin/demo: is for EM_X86_64 (ELFCLASS64), not for arm64"},
		"other version":       {program(elf.EM_AARCH64, "v1.2.4", ""), "usr/bin/demo: has version 1.2.4, but that of "},
		"no version":          {program(elf.EM_AARCH64, "(devel)", ""), "usr/bin/demo: its build information has no version of example.com/demo"},
		"dynamically linked":  {program(elf.EM_AARCH64, "v1.2.3", "/lib/ld.so.1"), "usr/bin/demo: needs the dynamic loader /lib/ld.so.1, which the image does not hold"},
		"a tool of another architecture": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "etc/tool"), fakeProgram(t, elf.EM_X86_64, "v1", ""), 0o755)
		}, "etc/tool: is for EM_X86_64 (ELFCLASS64), not for arm64"},
		"a library that needs another": {func(t *testing.T, dir string) {
			writeLibraries(t, dir, "usr/lib/aarch64-linux-gnu")
			if err := os.Remove(filepath.Join(dir, "usr/lib/aarch64-linux-gnu/libneeded.so.1.2")); err != nil {
				t.Fatal(err)
			}
		}, "usr/lib/aarch64-linux-gnu/libfirst.so.1: needs the library libneeded.so.1, which the image does not hold"},
		"a library in a folder of another architecture": {func(t *testing.T, dir string) {
			writeLibraries(t, dir, "usr/lib/x86_64-linux-gnu")
		}, "usr/lib/x86_64-linux-gnu/libfirst.so.1: needs the library libneeded.so.1, which the image does not hold"},
		"a fifo": {func(t *testing.T, dir string) {
			if err := syscall.Mkfifo(filepath.Join(dir, "etc/pipe"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "etc/pipe: an image cannot hold a file of type p---------"},
		"no root": {func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			roots := makeRoots(t)
			tt.change(t, roots[1].Dir)
			_, err := Build(testSpec, roots, Options{})
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			if !strings.Contains(text, roots[1].Dir) || !strings.Contains(text, tt.want) || strings.Contains(text, "\n") {
				t.Errorf("got error %q, want %q after the root's name, in one line", text, tt.want)
			}
		})
	}
}

// writeLibraries writes a library that needs another, which is there under its
// full version and as a link.
func writeLibraries(t *testing.T, root, dir string) {
	t.Helper()
	dir = filepath.Join(root, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "libfirst.so.1"), fakeLibrary(t, elf.EM_AARCH64, "libneeded.so.1"), 0o644)
	writeFile(t, filepath.Join(dir, "libneeded.so.1.2"), nil, 0o644)
	if err := os.Symlink("libneeded.so.1.2", filepath.Join(dir, "libneeded.so.1")); err != nil {
		t.Fatal(err)
	}
}

// TestBuildLibraries packs libraries in each folder where the loader finds them.
func TestBuildLibraries(t *testing.T) {
	for _, dir := range []string{"lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib", "usr/lib"} {
		roots := makeRoots(t)
		writeLibraries(t, roots[1].Dir, dir)
		if _, err := Build(testSpec, roots, Options{}); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestBuildUnknownArchitecture(t *testing.T) {
	roots := makeRoots(t)[:1]
	roots[0].Platform.Architecture = "vax"
	_, err := Build(testSpec, roots, Options{})
	if err == nil || !strings.HasSuffix(err.Error(), `usr/bin/demo: no image can be made for architecture "vax"`) {
		t.Errorf("got error %v", err)
	}
}
