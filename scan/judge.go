package scan

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Verdict says what becomes of a file with capabilities. The values are stable.
type Verdict string

// The verdicts.
const (
	// Aware says that the file carries its capabilities as permitted only, and
	// that the program raises them by itself. Nothing needs to be done.
	Aware Verdict = "aware"
	// Effective says that the program raises by itself, and yet its file carries
	// the effective bit: where a capability is dropped it does not start, for no
	// reason.
	Effective Verdict = "aware-but-effective"
	// Dumb says that the program cannot raise by itself. With the effective bit it
	// does not start where a capability is dropped; without, the capability is of
	// no use to it.
	Dumb Verdict = "dumb"
	// Foreign says that its capabilities count in another user namespace only.
	Foreign Verdict = "foreign"
	// Empty says that the file carries the attribute without a capability in it,
	// which only clears ambient ones.
	Empty Verdict = "empty"
	// Lost says that an image is meant to bind a low port as a user other than
	// root, and that its program carries no capability for that.
	Lost Verdict = "lost"
	// Malformed says that the kernel does not execute the file, since it cannot
	// read the attribute.
	Malformed Verdict = "malformed"
	// Unknown says that the file does not tell whether the program raises.
	Unknown Verdict = "unknown"
)

// Verdicts lists all of them.
func Verdicts() []Verdict {
	return []Verdict{Aware, Effective, Dumb, Foreign, Empty, Lost, Malformed, Unknown}
}

// Finding is a file and its verdict.
type Finding struct {
	// Target is what was scanned, and Path the file in it.
	Target string `json:"target"`
	Path   string `json:"path"`
	// Capabilities is the file's, in libcap's text form; "" for none.
	Capabilities string  `json:"capabilities,omitempty"`
	Verdict      Verdict `json:"verdict"`
	// Evidence is one clause: what the verdict rests on.
	Evidence string `json:"evidence"`
	// Warning is what else is wrong, such as a shell that starts the program.
	Warning string `json:"warning,omitempty"`
}

// Judge gives a file its verdict, from its raw attribute and its content.
func Judge(attribute []byte, content io.ReaderAt) (Finding, error) {
	caps, err := filecap.Parse(attribute)
	if err != nil {
		return Finding{Verdict: Malformed, Evidence: err.Error()}, nil //nolint:nilerr // that is the finding
	}
	f := Finding{Capabilities: caps.String()}
	switch {
	case caps.Foreign():
		f.Verdict, f.Evidence = Foreign, "its capabilities count only in the user namespace whose root it names"
		return f, nil
	case caps.Permitted|caps.Inheritable == 0:
		f.Verdict, f.Evidence = Empty, "an attribute without a capability clears the ambient set, and does nothing else"
		return f, nil
	}
	program, err := aware.Detect(content)
	if err != nil {
		return f, err
	}
	f.Evidence = program.Evidence
	f.Verdict = verdictOf(caps, program.Answer)
	return f, nil
}

func verdictOf(caps filecap.Caps, answer aware.Answer) Verdict {
	switch {
	case answer == aware.Unknown:
		return Unknown
	case answer == aware.Dumb:
		return Dumb
	case caps.Effective && caps.Permitted != 0:
		return Effective
	default:
		return Aware
	}
}

// JudgeFile is [Judge] for a file of this machine.
func JudgeFile(path string, attribute []byte) (f Finding, err error) {
	err = withFile(path, func(file *os.File) error {
		f, err = Judge(attribute, file)
		return err
	})
	f.Path = path
	return f, err
}

// JudgeProgram says whether a file of this machine, which carries no
// capabilities, would raise them.
func JudgeProgram(path string) (f Finding, err error) {
	f.Path = path
	err = withFile(path, func(file *os.File) error {
		program, err := aware.Detect(file)
		f.Verdict, f.Evidence = verdictOf(filecap.Caps{}, program.Answer), program.Evidence
		return err
	})
	return f, err
}

// withFile calls fn with the file, unless that is a FIFO or the like by now.
func withFile(path string, fn func(*os.File) error) (err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return fn(file)
}

// JudgeStart looks for what an image's program has lost, and for programs before
// it that lose it. ok is false where there is nothing to say.
func JudgeStart(s *scenario.Start) (f Finding, ok bool) {
	if len(s.Program.Chain) == 0 || s.Settings.UID == 0 {
		return Finding{}, false
	}
	last := s.Program.Last()
	f.Path = last.Path
	if last.File.HasCaps() || last.File.Malformed {
		if n := len(s.Program.Chain); n > 1 {
			f.Warning = "started by " + s.Program.Chain[n-2].Path + ": under no_new_privs its capabilities are lost"
		}
		return f, f.Warning != ""
	}
	for _, l := range s.Listens {
		if law.Bind(s.Settings.Task(), law.Network{PortStart: law.DefaultPortStart}, l.Port).Needs {
			f.Verdict = Lost
			f.Evidence = "the image is meant to listen on " + l.String() + " as a user other than root, and its program carries no " + capset.NetBindService.String()
			return f, true
		}
	}
	return Finding{}, false
}
