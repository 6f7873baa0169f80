package scan

import (
	"errors"
	"io"
	"syscall"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/held"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
)

// Class says what becomes of a file with capabilities. The values are stable.
type Class string

// The classes.
const (
	// Aware says that the file carries its capabilities as permitted only, and
	// that the program raises them; or that it is a launcher, or the
	// program behind one. Nothing needs to be done.
	Aware Class = "aware"
	// Effective says that the program raises its capabilities, and yet its file carries
	// the effective bit: where a capability is dropped it does not start, for no
	// reason.
	Effective Class = "aware-but-effective"
	// Dumb says that the program cannot raise its capabilities. With the effective bit it
	// does not start where a capability is dropped; without, the capability is of
	// no use to it.
	Dumb Class = "dumb"
	// Foreign says that its capabilities count in another user namespace only.
	Foreign Class = "foreign"
	// Empty says that the file carries the attribute without a capability in it,
	// which only clears ambient ones.
	Empty Class = "empty"
	// Lost says that an image is meant to bind a low port as a user other than
	// root, and that its program carries no capability for that.
	Lost Class = "lost"
	// Malformed says that the kernel does not execute the file, since it cannot
	// read the attribute.
	Malformed Class = "malformed"
	// Ignored says that the file is a script: the kernel looks at the capabilities of its
	// interpreter, and not at those of the script.
	Ignored Class = "ignored"
	// Unknown says that the file does not tell whether the program raises.
	Unknown Class = "unknown"
	// Broken says that a launcher and its program do not belong together as they
	// stand: the program is gone, or does not carry what it should.
	Broken Class = "broken"
)

// Classes lists all of them.
func Classes() []Class {
	return []Class{Aware, Effective, Dumb, Foreign, Empty, Lost, Malformed, Ignored, Unknown, Broken}
}

// Finding is a file and its class.
type Finding struct {
	// Target is what was scanned, and Path the file in it.
	Target string `json:"target"`
	// Image and Platform say which image of the target it is in, by a tag or a digest,
	// and Layer is the digest of the layer that has it; "" for a file of this machine.
	Image    string `json:"image,omitempty"`
	Platform string `json:"platform,omitempty"`
	Layer    string `json:"layer,omitempty"`
	Path     string `json:"path"`
	// Capabilities is the file's, in libcap's text form; "" for none.
	Capabilities string `json:"capabilities,omitempty"`
	// Class is what users call its verdict.
	Class Class `json:"verdict"`
	// Evidence is one clause: what the class rests on.
	Evidence string `json:"evidence"`
	// Warning is what else is wrong, such as a shell that starts the program.
	Warning string `json:"warning,omitempty"`
}

// Classify gives a file its class, from its raw attribute and its content. It takes
// a launcher at its word; [ClassifyBeside] looks at the program, too.
func Classify(attribute []byte, content io.ReaderAt) (Finding, error) {
	return ClassifyBeside("", attribute, Contents(content), nil)
}

// Program says what a program's file says about itself.
type Program func() (aware.Result, error)

// Contents is what the content of a file says.
func Contents(content io.ReaderAt) Program {
	return func() (aware.Result, error) { return aware.Detect(content) }
}

// ClassifyBeside is [Classify] for a file of that name. beside returns another file in
// its folder, or an error that wraps [fs.ErrNotExist]: of a launcher and its program
// each is classified by the other.
func ClassifyBeside(name string, attribute []byte, program Program, beside Beside) (Finding, error) {
	caps, err := filecap.Parse(attribute)
	if err != nil {
		return Finding{Class: Malformed, Evidence: err.Error()}, nil //nolint:nilerr // that is the finding
	}
	f := Finding{Capabilities: caps.String()}
	switch {
	case caps.Foreign():
		f.Class, f.Evidence = Foreign, "its capabilities count only in the user namespace whose root it names"
		return f, nil
	case caps.Permitted|caps.Inheritable == 0:
		f.Class, f.Evidence = Empty, "an attribute without a capability clears the ambient set, and does nothing else"
		return f, nil
	case caps.Permitted == 0:
		f.Class, f.Evidence = Aware, "inheritable only: it always starts, with what whoever starts it has inheritable, too"
		return f, f.behind(name, beside)
	}
	is, err := program()
	if err != nil {
		return f, err
	}
	f.Evidence = is.Evidence
	f.Class = classOf(caps, is.Answer)
	if is.Script {
		f.Class = Ignored
	}
	if is.Launches != nil && beside != nil {
		return f, f.launcher(*is.Launches, caps, beside)
	}
	return f, nil
}

func classOf(caps filecap.Caps, answer aware.Answer) Class {
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

// ClassifyFile is [ClassifyBeside] for a file of this machine, which carries the
// attribute.
func ClassifyFile(file *held.File) (Finding, error) {
	attribute, err := file.Attribute()
	if errors.Is(err, syscall.EOVERFLOW) {
		return Finding{Path: file.Path, Class: Foreign, Evidence: "its capabilities count only in a user namespace whose root has no number here"}, nil
	}
	if err != nil {
		return Finding{Path: file.Path}, err
	}
	content, err := file.Content()
	if err != nil {
		return Finding{Path: file.Path}, err
	}
	program := func() (aware.Result, error) { return aware.DetectIn(file.RealPath(), content) }
	f, err := ClassifyBeside(file.Name(), attribute, program, besideFile(file))
	f.Path = file.Path
	return f, err
}

// ClassifyProgram says whether a file of this machine, which carries no
// capabilities, would raise them.
func ClassifyProgram(file *held.File) (Finding, error) {
	f := Finding{Path: file.Path}
	content, err := file.Content()
	if err != nil {
		return f, err
	}
	program, err := aware.DetectIn(file.RealPath(), content)
	f.Class, f.Evidence = classOf(filecap.Caps{}, program.Answer), program.Evidence
	return f, err
}

// ClassifyStart looks for what an image's program has lost, and for programs before
// it that lose it. ok is false where there is nothing to say.
func ClassifyStart(s *scenario.Start) (f Finding, ok bool) {
	if len(s.Program.Chain) == 0 || s.Settings.UID == 0 || s.Program.Last().Path == "" { // which is not known
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
			f.Class = Lost
			f.Evidence = "the image is meant to listen on " + l.String() + " as a user other than root, and its program carries no " + capset.NetBindService.String()
			return f, true
		}
	}
	return Finding{}, false
}
