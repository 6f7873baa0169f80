package diagnose

import (
	"os/exec"
	"testing"
)

// TestShellWord holds that a shell takes any name for one word, and that plain
// ones are as they were.
func TestShellWord(t *testing.T) {
	for name, want := range map[string]string{
		"/usr/bin/caddy-2.11_x": "/usr/bin/caddy-2.11_x",
		"/größe":                "/größe",
		"/a b":                  "'/a b'",
		"/x;touch /tmp/pwned":   "'/x;touch /tmp/pwned'",
		"/$(id)`id`\"\\":        "'/$(id)`id`\"\\'",
		"/it's":                 `'/it'\''s'`,
		"/a\nb":                 "'/a\nb'",
		"09:@AZaz":              "09:@AZaz",
		"\u0080":                "\u0080",
		"[":                     "'['",
		"`":                     "'`'",
		"{":                     "'{'",
		"-c":                    "'-c'",
		"~root":                 "'~root'",
	} {
		got := shellWord(name)
		if got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
		sh, err := exec.LookPath("sh")
		if err != nil {
			continue
		}
		if out, err := exec.Command(sh, "-c", "printf %s "+got).Output(); err != nil || string(out) != name {
			t.Errorf("%s: the shell takes it for %q, %v", got, out, err)
		}
	}
}
