package printable_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/capwise/capwise/internal/printable"
)

func TestPrintable(t *testing.T) {
	for _, tc := range []struct{ in, name, line string }{
		{"", "", ""},
		{"/usr/bin/caddy", "", ""},
		{"a name with spaces, \"quotes\" and \\", "", ""},
		{"größe 大 ✓ 🐹", "", ""},
		{"\ufffd", "", ""}, // printable, if it is there
		{"a\nOK    forged", `"a\nOK    forged"`, `a\nOK    forged`},
		{"a\tb\r", `"a\tb\r"`, `a\tb\r`},
		{"\x1b]0;x\a\x1b[2J", `"\x1b]0;x\a\x1b[2J"`, `\x1b]0;x\a\x1b[2J`},
		{"\x00\x7f", `"\x00\x7f"`, `\x00\x7f`},
		{"\u009b31m", `"\u009b31m"`, `\u009b31m`},
		{"a\xff\xe2\x80", `"a\xff\xe2\x80"`, `a\xff\xe2\x80`},
		{"\u202egnp.exe", `"\u202egnp.exe"`, `\u202egnp.exe`},
		{"\u2066\u2069\u200e\u200f\u061c", `"\u2066\u2069\u200e\u200f\u061c"`, `\u2066\u2069\u200e\u200f\u061c`},
		{"a\u200b\ufeff\u00ad\u2060", `"a\u200b\ufeff\u00ad\u2060"`, `a\u200b\ufeff\u00ad\u2060`},
		{"\u2028\u2029\u00a0\u3000", `"\u2028\u2029\u00a0\u3000"`, `\u2028\u2029\u00a0\u3000`},
		{"\U000e0041", `"\U000e0041"`, `\U000e0041`}, // tags
		{"::error::x", `"::error::x"`, `\x3a:error::x`},
		{"  ::error::x", `"  ::error::x"`, `  \x3a:error::x`},
		{"at ::1", "", ""},
		{"a ##[error]x", `"a \x23#[error]x"`, `a \x23#[error]x`},
		{"##vso[task]", `"\x23#vso[task]"`, `\x23#vso[task]`},
		{"## heading [1]", "", ""},
		{"\"\n\\", `"\"\n\\"`, `"\n\`},
	} {
		if tc.name == "" {
			tc.name, tc.line = tc.in, tc.in
		}
		if got := printable.Name(tc.in); got != tc.name {
			t.Errorf("Name(%q): got %s, want %s", tc.in, got, tc.name)
		}
		if got := printable.Line(tc.in); got != tc.line {
			t.Errorf("Line(%q): got %s, want %s", tc.in, got, tc.line)
		}
	}
	if got := printable.Names([]string{"a", "b\n"}); got != `a "b\n"` {
		t.Errorf("got %s", got)
	}
}

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	w := printable.NewWriter(&b)
	for _, s := range []string{"one\ttwo\n", "::error::x\n", "a", "::b\n", " ", "::c\x1b[31m\u202e\n"} {
		if n, err := io.WriteString(w, s); n != len(s) || err != nil {
			t.Errorf("%q: wrote %d, %v", s, n, err)
		}
	}
	const want = "one\ttwo\n\\x3a:error::x\na::b\n \\x3a:c\\x1b[31m\\u202e\n"
	if b.String() != want {
		t.Errorf("got %q\nwant %q", b.String(), want)
	}
	if printable.Raw(w) != &b || printable.Raw(&b) != &b {
		t.Error("Raw does not return what is below")
	}
	if _, err := printable.NewWriter(broken{}).Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the error of what is below", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStyled(t *testing.T) {
	const in = "\x1b[1;31mFAIL\x1b[m  a\x1b[2Jb\x1b]0;x\a\n\x1b[0m::x\x1b["
	const want = "\x1b[1;31mFAIL\x1b[m  a\\x1b[2Jb\\x1b]0;x\\a\n\x1b[0m\\x3a:x\\x1b["
	if got := printable.Styled(in); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	a, b := errors.New("a\nOK forged"), errors.New("b")
	for _, tc := range []struct {
		err  error
		want []string
	}{
		{a, []string{`a\nOK forged`}},
		{errors.Join(a, errors.Join(b, b)), []string{`a\nOK forged`, "b", "b"}},
		{fmt.Errorf("x: %w", errors.Join(a, b)), []string{`x: a\nOK forged\nb`}},
		{fmt.Errorf("%w and %w", a, b), []string{`a\nOK forged and b`}},
		{fmt.Errorf("%w\n%w!", a, b), []string{`a\nOK forged\nb!`}},
		{errors.New(strings.Repeat("é", 4000)), []string{strings.Repeat("é", 3000) + "... (2000 bytes more)"}},
		{errors.New("x" + strings.Repeat("é", 4000)), []string{"x" + strings.Repeat("é", 2999) + "... (2002 bytes more)"}},
	} {
		if got := printable.Errors(tc.err); fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("got  %q\nwant %q", got, tc.want)
		}
	}
}

// FuzzPrintable holds what the package promises of any text.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"a", "a\nb", "\x1b[2J", "\u202e", "\xff", " ::error::", "##[error]", "\"", "\x1b[31mx\x1b[m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		if _, err := printable.NewWriter(&b).Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{
			"Name": printable.Name(s), "Line": printable.Line(s), "Errors": strings.Join(printable.Errors(errors.New(s)), ""),
			"Writer": strings.NewReplacer("\n", "", "\t", "").Replace(b.String()),
		} {
			checkPrintable(t, what, text)
			if what != "Writer" && (printable.Line(text) != text || printable.Name(text) != text) {
				t.Errorf("%s(%q) = %q, which is shown otherwise", what, s, text)
			}
		}
		if name := printable.Name(s); name != s {
			if back, err := strconv.Unquote(name); err != nil || back != s {
				t.Errorf("Name(%q) = %s, which means %q, %v", s, name, back, err)
			}
		}
	})
}

func checkPrintable(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: %q is no UTF-8", what, text)
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			t.Errorf("%s: %q has %U", what, text, r)
		}
	}
}
