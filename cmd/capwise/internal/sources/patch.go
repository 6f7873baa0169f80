package sources

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/capwise/capwise/cmd/capwise/internal/patch"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/law"
	"github.com/capwise/capwise/scenario"
	"github.com/capwise/capwise/scenario/unit"
)

// source is what a start was read from, to be changed and read again.
type source struct {
	kind    kind
	text    string   // of the first file, if it was read whole
	names   []string // of the files
	command []string // as the engine reads it; nil for files
	line    line
}

// errRefuted is the error of a remedy after which the source, read again, does not work.
var errRefuted = errors.New("the changed source, read again, does not work")

// Uphold leaves out the remedies of a unit that its text, read again with them, refutes:
// what systemd makes of a unit is in places a matter of several lines.
func (o Options) Uphold(k law.Kernel, f Found, remedies []diagnose.Remedy) []diagnose.Remedy {
	if f.Syntax != scenario.Unit && f.Syntax != scenario.SystemdRun {
		return remedies
	}
	return slices.DeleteFunc(remedies, func(r diagnose.Remedy) bool {
		_, err := o.Patch(k, f, &r)
		return errors.Is(err, errRefuted)
	})
}

// Patch writes a remedy into the text of the source, and reads that again: it is returned
// only where the start that the new text describes works in every case. An error says
// why not; [patch.ByHand] where it is to be made instead.
func (o Options) Patch(k law.Kernel, f Found, r *diagnose.Remedy) (patch.Patch, error) {
	src := patch.Source{Command: f.source.command, Text: f.source.text, Image: f.image}
	if user := o.givenFor(f.Start).User; src.Image == nil && user != "" {
		src.Image = &patch.Image{User: user, Setcap: "setcap"}
	}
	if f.source.kind == kindCompose && f.Where.File != "" {
		text, err := plainfile.Read(f.Where.File, limit.Compose)
		if err != nil {
			return patch.Patch{}, err
		}
		src.Text = string(text)
	}
	if f.source.kind == kindUnknown && f.source.command == nil {
		src.Text = ""
	}
	p, err := patch.Of(src, f.Start, r)
	if err != nil {
		return p, err
	}
	again := []Found{f}
	if p.Text != "" {
		if again, err = o.again(f, &p); err != nil {
			return p, fmt.Errorf("the changed source: %w", err)
		}
		p.Text = strings.Join(f.source.line.prefixWords(), "") + p.Text
	}
	at := slices.IndexFunc(again, func(a Found) bool { return a.Name == f.Name })
	if at < 0 {
		return p, fmt.Errorf("the changed source has no %s", f.Name)
	}
	s := again[at].Clone()
	if p.File != "" {
		withFile(s, r.Start.Program.Last())
	}
	if p.ByHand != "" {
		withHand(s, r)
	}
	if outlook := diagnose.Weigh(k, s, nil); !outlook.OK() {
		return p, errRefuted
	}
	return p, nil
}

// withFile gives the program of a start the changed file.
func withFile(s *scenario.Start, changed *scenario.Step) {
	if len(s.Program.Chain) > 0 && s.Program.Last().Path == changed.Path {
		s.Program.Last().File = changed.File
		s.Unknowns = slices.DeleteFunc(s.Unknowns, func(u scenario.Unknown) bool { return u.Fact == scenario.FactFile })
	}
}

// withHand makes of a start what a remedy changes outside of the source.
func withHand(s *scenario.Start, r *diagnose.Remedy) {
	is := &r.Start.Settings
	for _, c := range r.Changes {
		switch c {
		case diagnose.ChangePort:
			s.Listens = slices.Clone(r.Start.Listens)
		case diagnose.HostSysctl:
			s.Settings.PortStart, s.Settings.HostPortStart = is.PortStart, is.HostPortStart
		case diagnose.MoveFile:
			withFile(s, r.Start.Program.Last())
		}
	}
}

// prefixWords are what stands before a command, each with a space behind it.
func (l line) prefixWords() []string {
	var out []string
	for _, word := range l.prefix {
		out = append(out, patch.Word(word)+" ")
	}
	return out
}

// again reads the changed source.
func (o Options) again(f Found, p *patch.Patch) ([]Found, error) {
	src := f.source
	switch {
	case src.command != nil:
		l := src.line
		l.args = p.New.Command
		return commands[path.Base(l.args[0])](o, path.Base(l.args[0]), l)
	case src.kind == kindCompose:
		o.instead = map[string]string{f.Where.File: p.New.Text}
		return o.compose(nil, src.names)
	case src.kind == kindKubernetes:
		return o.kubernetes([]byte(p.New.Text), f.Where.File)
	case src.kind == kindOCI:
		return o.bundle([]byte(p.New.Text), src.names[0], f.Where.File)
	case src.kind == kindUnit:
		return o.unitWith(src, unit.File{Name: p.DropIn, Text: p.New.Text})
	default:
		return nil, errors.New("it cannot be read again")
	}
}

// unitWith reads a unit with one more drop-in, the last.
func (o Options) unitWith(src source, more unit.File) ([]Found, error) {
	system, err := o.system()
	if err != nil {
		return nil, err
	}
	u := unit.Unit{File: unit.File{Name: stdinName, Text: src.text}, System: system}
	if src.names[0] != "-" {
		name := src.names[0]
		if src.text != "" && !strings.Contains(name, "/") {
			name = "./" + name
		}
		if u, err = system.Find(name); err != nil {
			return nil, err
		}
	}
	u.DropIns = append(u.DropIns, more)
	starts, err := unit.Parse(u)
	return o.units(starts, err)
}
