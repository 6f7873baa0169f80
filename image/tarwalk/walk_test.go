package tarwalk_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/tarwalk"
)

const capability = "SCHILY.xattr.security.capability"

// archive returns an archive with entries of many kinds, in a format.
func archive(t testing.TB, format tar.Format) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "bin/"},
		{Typeflag: tar.TypeReg, Name: "bin/a", Size: 700},
		{Typeflag: tar.TypeReg, Name: strings.Repeat("long/", 45) + "name", Size: 512},
		{Typeflag: tar.TypeLink, Name: "bin/b", Linkname: "bin/a"},
		{Typeflag: tar.TypeSymlink, Name: "bin/c", Linkname: strings.Repeat("x/", 30)},
		{Typeflag: tar.TypeReg, Name: "empty"},
	} {
		h.Format, h.Mode = format, 0o755
		if format == tar.FormatPAX && h.Typeflag == tar.TypeReg {
			h.PAXRecords = map[string]string{capability: "\x01\x00\x00\x02\x00\x04" + strings.Repeat("\x00", 14), "comment": fmt.Sprint(i)}
		}
		if err := w.WriteHeader(&h); err != nil {
			if format == tar.FormatUSTAR {
				continue // too long
			}
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{'0' + byte(i)}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// agree requires that the walker sees what archive/tar sees, and that its parts
// make up the archive.
func agree(t *testing.T, b []byte, strict bool) {
	t.Helper()
	for _, r := range []io.Reader{bytes.NewReader(b), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))} {
		std := tar.NewReader(bytes.NewReader(b))
		w := tarwalk.New(r)
		at := int64(0)
		for {
			e, err := w.Next()
			h, stdErr := std.Next()
			if err != nil || stdErr != nil {
				if strict && (!errors.Is(err, io.EOF) || !errors.Is(stdErr, io.EOF)) {
					t.Fatalf("%v, archive/tar says %v", err, stdErr)
				}
				break
			}
			if e.Offset != at || !bytes.Equal(e.Raw, b[at:e.DataOffset()]) {
				t.Fatalf("%s: offset %d, want %d", e.Name, e.Offset, at)
			}
			at = e.DataOffset() + e.Padded()
			if e.Global() {
				continue
			}
			if e.Name != h.Name || e.Linkname != h.Linkname || e.Type != h.Typeflag {
				t.Fatalf("got %q %q %c, archive/tar reads %q %q %c", e.Name, e.Linkname, e.Type, h.Name, h.Linkname, h.Typeflag)
			}
			if int64(int(e.UID)) != int64(h.Uid) || e.Mode != h.Mode {
				t.Fatalf("%s: mode %o, owner %d; archive/tar reads %o, %d", e.Name, e.Mode, e.UID, h.Mode, h.Uid)
			}
			if e.Type == tarwalk.TypeReg && !e.Sparse() && e.Size != h.Size {
				t.Fatalf("%s: %d bytes; archive/tar reads %d", e.Name, e.Size, h.Size)
			}
			for _, r := range e.Records {
				if !bytes.Equal(r.Value, e.Raw[r.At:r.At+len(r.Value)]) {
					t.Fatalf("%s: record %s is not at %d", e.Name, r.Key, r.At)
				}
			}
		}
	}
}

func TestFormats(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		agree(t, archive(t, format), true)
	}
}

// TestTools holds that what GNU tar and bsdtar write is seen as archive/tar sees
// it, sparse files included.
func TestTools(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(60) { // more parts than fit the main header
		if _, err := f.WriteAt([]byte("x"), i<<17); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.Repeat("n", 200)), []byte("long"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"tar", "--format=v7", "--exclude=nnn*"},
		{"tar", "--format=oldgnu", "-S"},
		{"tar", "--format=gnu", "-S"},
		{"tar", "--format=ustar", "--exclude=nnn*"},
		{"tar", "--format=posix", "-S", "--sparse-version=0.0"},
		{"tar", "--format=posix", "-S", "--sparse-version=0.1"},
		{"tar", "--format=posix", "-S", "--sparse-version=1.0"},
	} {
		cmd := exec.Command(args[0], append(args[1:], "-c", "-C", dir, ".")...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		t.Run(strings.Join(args, " "), func(t *testing.T) { agree(t, out, true) })
	}
}

// TestWithout holds that dropping a record leaves all else as it is.
func TestWithout(t *testing.T) {
	b := archive(t, tar.FormatPAX)
	w := tarwalk.New(bytes.NewReader(b))
	var out []byte
	for {
		e, err := w.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := e.Without(func(key string) bool { return key == capability })
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Records) == 0 && !bytes.Equal(raw, e.Raw) {
			t.Errorf("%s: changed without a reason", e.Name)
		}
		content, err := io.ReadAll(w)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, raw...), content...)
		out = append(out, make([]byte, e.Padded()-e.Size)...)
	}
	agree(t, append(out, make([]byte, 1024)...), true)
	if bytes.Contains(out, []byte(capability)) {
		t.Error("a record is left")
	}
	if !bytes.Contains(out, []byte("comment=1")) {
		t.Error("another record is gone")
	}
}

// TestHostile holds that archives that lie are refused, with the place.
func TestHostile(t *testing.T) {
	good := archive(t, tar.FormatPAX)
	// reheader changes the first header and corrects its checksum.
	reheader := func(change func([]byte)) []byte {
		b := bytes.Clone(good)
		change(b)
		copy(b[148:156], "        ")
		sum := 0
		for _, c := range b[:512] {
			sum += int(c)
		}
		copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
		return b
	}
	for name, b := range map[string][]byte{
		"size below zero":    reheader(func(b []byte) { b[156] = '0'; copy(b[124:136], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") }),
		"size 2^63":          reheader(func(b []byte) { b[156] = '0'; copy(b[124:136], "\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00") }),
		"size 2^63-1":        reheader(func(b []byte) { b[156] = '0'; copy(b[124:136], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff") }),
		"PAX of a gigabyte":  reheader(func(b []byte) { b[156] = 'x'; copy(b[124:136], "10000000000\x00") }),
		"name of a gigabyte": reheader(func(b []byte) { b[156] = 'L'; copy(b[124:136], "10000000000\x00") }),
		"size is no number":  reheader(func(b []byte) { b[156] = '0'; copy(b[124:136], "xxxxxxxxxxx\x00") }),
		"truncated":          good[:len(good)-2000],
		"in a header":        good[:100],
		"in an extension":    reheader(func(b []byte) { b[156] = 'x'; copy(b[124:136], "00000001000\x00") })[:600],
		"one block of zeros": append(make([]byte, 512), good...),
	} {
		for _, r := range []io.Reader{bytes.NewReader(b), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))} {
			w := tarwalk.New(r)
			var err error
			for err == nil {
				_, err = w.Next()
			}
			if !errors.Is(err, tarwalk.ErrFormat) || !strings.HasPrefix(err.Error(), "byte ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func FuzzWalk(f *testing.F) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		f.Add(archive(f, format))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b, false) })
}

// TestRewritten holds, for names at the limits of all formats, that archive/tar
// reads the new name, size and records, and everything else as before.
func TestRewritten(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU, tar.FormatUnknown} {
		for n := 1; n < 320; n++ {
			name := strings.Repeat("12345678/", 40)[:n-1] + "z"
			h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o750, Uid: 7, Gid: 8, Uname: "x", Size: 3, Format: format}
			if format == tar.FormatPAX || format == tar.FormatUnknown {
				h.PAXRecords = map[string]string{capability: "gone", "comment": "stays"}
			}
			rewritten(t, h)
		}
	}
}

func rewritten(t *testing.T, h *tar.Header) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(h); err != nil {
		return // the format has no such name
	}
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := tarwalk.New(&b).Next()
	if err != nil {
		t.Fatal(err)
	}
	change := tarwalk.Rewrite{Suffix: ".capwise", Size: 70_000, Drop: func(key string) bool { return key == capability }}
	if h.PAXRecords != nil {
		change.Add = []tarwalk.Record{{Key: "SCHILY.xattr.user.x", Value: []byte("a\nb")}}
	}
	raw, err := e.Rewritten(change)
	if err != nil {
		if h.PAXRecords != nil || !strings.Contains(err.Error(), "no PAX header, which path") {
			t.Errorf("%s: %v", h.Name, err)
		}
		return
	}
	got, err := tar.NewReader(bytes.NewReader(append(raw, make([]byte, 80_000)...))).Next()
	if err != nil {
		t.Fatalf("%d bytes, %v: %v", len(h.Name), h.Format, err)
	}
	if got.Name != h.Name+".capwise" || got.Size != 70_000 || got.Mode != h.Mode || got.Uid != h.Uid || got.Gid != h.Gid || got.Uname != h.Uname {
		t.Errorf("%d bytes, %v: %+v", len(h.Name), h.Format, got)
	}
	if h.PAXRecords != nil && (got.PAXRecords["SCHILY.xattr.user.x"] != "a\nb" || got.PAXRecords["comment"] != "stays" || got.PAXRecords[capability] != "") {
		t.Errorf("%d bytes, %v: records %q", len(h.Name), h.Format, got.PAXRecords)
	}
}
