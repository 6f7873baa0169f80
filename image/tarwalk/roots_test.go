package tarwalk_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/tarwalk"
	"github.com/capwise/capwise/internal/need"
)

// TestRootOnly holds that what is made root's is so for archive/tar and for GNU tar,
// by number and by name, in whatever form the owner stands there.
func TestRootOnly(t *testing.T) {
	tool := need.Tool(t, "tar")
	set := func(b []byte, at int, text string) []byte {
		b = bytes.Clone(b)
		copy(b[at:], text)
		copy(b[148:156], "        ")
		sum := 0
		for _, c := range b[:512] {
			sum += int(c)
		}
		copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
		return b
	}
	file := set(block('0', "file", []byte("abc")), 100, "0000777\x00")
	named := set(set(file, 265, "somebody"), 297, "group")
	for name, b := range map[string][]byte{
		"ustar":               file,
		"ustar, names":        named,
		"ustar, full names":   set(file, 265, strings.Repeat("s", 32)),
		"old":                 set(file, 257, strings.Repeat("\x00", 60)),
		"GNU":                 set(named, 257, "ustar  \x00"),
		"GNU, base 256":       set(set(named, 257, "ustar  \x00"), 108, "\x80\x00\x00\x00\xff\xff\xff\xfe"),
		"GNU, mode base 256":  set(set(named, 257, "ustar  \x00"), 100, "\x80\x00\x00\x00\x00\x00\x01\xff"),
		"spaces":              set(file, 108, "  1750 \x00"),
		"PAX":                 append(block('x', "x", []byte(record("uid", "1001")+record("uname", "somebody"))), named...),
		"PAX, twice":          append(block('x', "x", []byte(record("uid", "0")+record("uid", "1001")+record("gid", "1"))), named...),
		"PAX, in both fields": append(block('x', "x", []byte(record("uname", "somebody"))), named...),
	} {
		e, err := tarwalk.New(bytes.NewReader(append(bytes.Clone(b), make([]byte, 1024)...))).Next()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		raw, err := e.Rewritten(tarwalk.Rewrite{Size: e.Size, Drop: func(string) bool { return false }, RootOnly: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		raw = append(append(raw, make([]byte, 512)...), make([]byte, 9*1024)...)
		h, err := tar.NewReader(bytes.NewReader(raw)).Next()
		if err != nil || h.Uid != 0 || h.Uname != "" && h.Uname != "root" || h.Mode != 0o755 || h.Name != "file" {
			t.Errorf("%s: archive/tar reads %+v, %v", name, h, err)
		}
		path := t.TempDir() + "/a.tar"
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, option := range []string{"--numeric-owner", "--no-same-owner"} {
			out, err := exec.Command(tool, "-tvf", path, option).CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), "-rwxr-xr-x 0/") && !strings.HasPrefix(string(out), "-rwxr-xr-x root/") {
				t.Errorf("%s: tar %s says %s, %v", name, option, out, err)
			}
		}
	}
}
