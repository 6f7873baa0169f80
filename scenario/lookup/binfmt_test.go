package lookup_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/lookup"
)

// registry is files of a machine whose kernel has registrations.
type registry struct {
	files
	all []lookup.Misc
	err error
}

func (r registry) Misc() ([]lookup.Misc, error) { return r.all, r.err }

func misc(t *testing.T, name, text string) lookup.Misc {
	t.Helper()
	m, err := lookup.ParseMisc(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMisc holds whose capabilities count for a file that binfmt_misc has an
// interpreter execute.
func TestMisc(t *testing.T) {
	machine := files{
		"/bin/sh": "\x7fELF", "/bin/run": "\x7fELF", "/bin/script": "#!/bin/run\n", "/bin/other": "MZother",
		"+ep /x": "XXprogram", "+ep /x.jar": "\x7fELF", "+ep /masked": "..\x0fend", "/y": "#!/x\n", "+ep /elf": "\x7fELF", "/short": "X", "/long": strings.Repeat("Y", 300),
	}
	const magic = "offset 0\nmagic 5858\n"
	for _, tc := range []struct{ text, program, want, note string }{
		{"enabled\ninterpreter /bin/run\nflags: \n" + magic, "/x", "/bin/run note", "the capabilities of /bin/run count, and those of /x do not"},
		{"enabled\ninterpreter /bin/run\nflags: OF\n" + magic, "/x", "/bin/run note", "/bin/run count"},
		{"enabled\ninterpreter /bin/run\nflags: OC\n" + magic, "/x", "/x note", "flag C) has /bin/run execute /x, whose own capabilities count"},
		{"enabled\ninterpreter /bin/script\nflags: \n" + magic, "/x", "/bin/run note", "/bin/run execute /x"},
		{"enabled\ninterpreter /nowhere\nflags: \n" + magic, "/x", "not-found", ""},
		{"enabled\ninterpreter /nowhere\nflags: F\n" + magic, "/x", "/nowhere note", "which was opened when it was registered"},
		{"enabled\ninterpreter /bin/x\nflags: \nextension .jar\n", "/x.jar", "not-found", ""},
		{"enabled\ninterpreter /bin/run\nflags: \nextension .jar\n", "/x.jar", "/bin/run note", "/bin/run count"},
		{"enabled\ninterpreter /bin/run\nflags: \nextension .ar\n", "/x.jar", "/x.jar", ""},
		{"disabled\ninterpreter /bin/run\nflags: \n" + magic, "/x", "/x", ""},
		{"enabled\ninterpreter /bin/run\nflags: \noffset 2\nmagic 1f656e\nmask 0fffff\n", "/masked", "/bin/run note", "/bin/run count"},
		{"enabled\ninterpreter /bin/run\nflags: \noffset 2\nmagic 1f656e\n", "/masked", "/masked", ""},
		{"enabled\ninterpreter /bin/run\nflags: \noffset 0\nmagic 58585858585858\nmask ffff0000000000\n", "/x", "/bin/run note", ""},
		{"enabled\ninterpreter /bin/run\nflags: \noffset 255\nmagic 5858\n", "/x", "/x", ""},
		{"enabled\ninterpreter /bin/run\nflags: \noffset 254\nmagic 5959\n", "/long", "/bin/run note", ""},
		{"enabled\ninterpreter /bin/run\nflags: \noffset 256\nmagic 00\n", "/x", "/x", ""},
		{"enabled\ninterpreter /bin/run\nflags: \noffset 0\nmagic 5800\n", "/short", "/bin/run note", ""},
		{"enabled\ninterpreter /bin/run\nflags: \n" + magic, "/y", "/bin/run", ""}, // a script of it
		{"enabled\ninterpreter /bin/sh\nflags: \n" + magic, "/elf", "/elf", ""},
	} {
		s := scenario.Start{Request: scenario.Request{Args: []string{tc.program}}}
		lookup.Resolve(&s, registry{machine, []lookup.Misc{misc(t, "test", tc.text)}, nil}, scenario.ImageConfig{}, lookup.Given{})
		if got := describe(&s); got != tc.want || !strings.Contains(fmt.Sprint(s.Notes), tc.note) {
			t.Errorf("%q, %s: got %s, %q, want %s, %q", tc.text, tc.program, got, s.Notes, tc.want, tc.note)
		}
	}
}

// TestMiscNotKnown holds that it is said where registrations were not looked at,
// and only of files that want one.
func TestMiscNotKnown(t *testing.T) {
	foreignELF := "\x7fELF\x02\x01" + strings.Repeat("\x00", 12) + "\xff\xfe" + strings.Repeat("\x00", 44)
	machine := files{"/bin/sh": "\x7fELF", "+ep /x": "XXprogram", "+ep /foreign": foreignELF, "+ep /big": strings.Replace(foreignELF, "\x02\x01", "\x02\x02", 1), "/y": "#!/bin/sh\nexec /bin/sh\n", "/empty": ""}
	for program, noted := range map[string]bool{"/x": true, "/foreign": true, "/big": true, "/bin/sh": false, "/y": false, "/empty": false} {
		for what, f := range map[string]scenario.Files{"image": machine, "unreadable": registry{machine, nil, errors.New("x")}} {
			s := scenario.Start{Request: scenario.Request{Args: []string{program}}}
			lookup.Resolve(&s, f, scenario.ImageConfig{}, lookup.Given{})
			if got := strings.Contains(fmt.Sprint(s.Notes), "binfmt_misc"); got != noted {
				t.Errorf("%s: %s: got the notes %q", what, program, s.Notes)
			}
		}
		s := scenario.Start{Request: scenario.Request{Args: []string{program}}}
		lookup.Resolve(&s, registry{files: machine}, scenario.ImageConfig{}, lookup.Given{})
		if strings.Contains(fmt.Sprint(s.Notes), "binfmt_misc") {
			t.Errorf("%s: nothing is registered: got the notes %q", program, s.Notes)
		}
	}
}

// TestNative holds which programs want no interpreter, on the architecture that
// most tests run on.
func TestNative(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the headers are for amd64")
	}
	header := func(order byte, machine ...byte) string {
		return "\x7fELF\x02" + string(order) + strings.Repeat("\x00", 12) + string(machine)
	}
	for head, native := range map[string]bool{
		header(1, 0x3e, 0): true, header(2, 0, 0x3e): true, header(1, 3, 0): true, // 386
		header(2, 0x3e, 0): false, header(1, 0, 0x3e): false, header(1, 0xb7, 0): false, // arm64
	} {
		s := scenario.Start{Request: scenario.Request{Args: []string{"/x"}}}
		lookup.Resolve(&s, files{"+ep /x": head}, scenario.ImageConfig{}, lookup.Given{})
		if noted := strings.Contains(fmt.Sprint(s.Notes), "binfmt_misc"); noted == native {
			t.Errorf("%q: got the notes %q", head, s.Notes)
		}
	}
}

func TestParseMiscErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "no interpreter",
		"enabled\ninterpreter /x\n": "neither an extension nor a magic",
		"interpreter /x\noffset 0\nmagic 58\nmask ffff\n": "a mask of 2 bytes for a magic of 1",
		"interpreter /x\noffset -1\nmagic 58\n":           "offset -1",
		"interpreter /x\noffset 257\nmagic 58\n":          "offset 257",
		"interpreter /x\noffset 0\nmagic 5\n":             "odd length",
		"interpreter /x\noffset 0\nmagic 58\nmask z\n":    "invalid byte",
	} {
		if _, err := lookup.ParseMisc("m", text); err == nil || !strings.Contains(err.Error(), "binfmt_misc: m: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// FuzzMisc holds that no registration and no file ends the reader.
func FuzzMisc(f *testing.F) {
	f.Add("enabled\ninterpreter /bin/run\nflags: OC\noffset 0\nmagic 5858\nmask ff0f\n", "XXprogram")
	f.Add("enabled\ninterpreter /bin/run\nflags: \nextension .jar\n", "PK")
	f.Fuzz(func(t *testing.T, text, head string) {
		m, err := lookup.ParseMisc("fuzz", text)
		if err != nil {
			return
		}
		machine := files{"/bin/run": "\x7fELF", "+ep /x.jar": head}
		s := scenario.Start{Request: scenario.Request{Args: []string{"/x.jar"}}}
		lookup.Resolve(&s, registry{machine, []lookup.Misc{m}, nil}, scenario.ImageConfig{}, lookup.Given{})
		if s.Refused == nil && len(s.Program.Chain) == 0 {
			t.Errorf("%q, %q: neither a program nor why not", text, head)
		}
	})
}
