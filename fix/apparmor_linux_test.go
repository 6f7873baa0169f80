package fix

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestProfiled holds which profiles attach to a program, and that what is not a plain
// file, or is disabled, is not read.
func TestProfiled(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want bool
	}{
		"by path":           {"#include <tunables/global>\n/usr/sbin/named flags=(attach_disconnected) {\n}\n", true},
		"named":             {"profile named /usr/sbin/named {\n}\n", true},
		"named, flags":      {"profile named /usr/sbin/named flags=(complain) {\n}\n", true},
		"alternatives":      {"profile x /{,usr/}{s,}bin/named {\n", true},
		"a glob":            {"/usr/**/named {\n", true},
		"one level":         {"/usr/*/named {\n", true},
		"variable":          {"@{exec_path} = @{bin}/named @{bin}/other\nprofile x @{exec_path} {\n", true},
		"quoted":            {"\"/usr/sbin/named\" {\n", true},
		"a name alone":      {"profile named {\n", false},
		"another":           {"/usr/sbin/nsd {\n", false},
		"longer":            {"/usr/sbin/named-checkconf {\n", false},
		"a rule":            {"/usr/sbin/nsd {\n  /usr/sbin/named mrix,\n}\n", false},
		"a comment":         {"# /usr/sbin/named {\n", false},
		"no glob":           {"/usr/[sbin/named {\n", false},
		"over a slash":      {"/*/named {\n", false},
		"itself for itself": {"@{a} = @{a}@{a}\n@{a} {\n", false},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "profile"), []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(dir, "a-fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
		note := profiled(dir, "/usr/sbin/named")
		if got := strings.Contains(note, "/usr/sbin/named.capwise mrix,"); got != tc.want {
			t.Errorf("%s: %q, want one: %t", name, note, tc.want)
		}
		if err := os.Mkdir(filepath.Join(dir, "disable"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../profile", filepath.Join(dir, "disable", "profile")); err != nil {
			t.Fatal(err)
		}
		if note := profiled(dir, "/usr/sbin/named"); note != "" {
			t.Errorf("%s, disabled: %q", name, note)
		}
	}
	if note := profiled(filepath.Join(t.TempDir(), "none"), "/usr/sbin/named"); note != "" {
		t.Errorf("without the folder: %q", note)
	}
}
