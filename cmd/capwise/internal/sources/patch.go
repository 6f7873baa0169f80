package sources

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/capwise/capwise/cmd/capwise/internal/patch"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/plainfile"
	"github.com/capwise/capwise/law"
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

// Patch writes a remedy into the text of the source, and reads that again: it is returned
// only where the start that the new text describes works in every case. An error that
// wraps [patch.ErrByHand] says that it has to be made by hand.
func (o Options) Patch(k law.Kernel, f Found, r *diagnose.Remedy) (string, error) {
	src := patch.Source{Command: f.source.command, Text: f.source.text}
	if f.source.kind == kindCompose && f.Where.File != "" {
		text, err := plainfile.Read(f.Where.File, limit.Compose)
		if err != nil {
			return "", err
		}
		src.Text = string(text)
	}
	p, err := patch.Of(src, f.Start, r)
	if err != nil {
		return "", err
	}
	again, err := o.again(f, &p)
	if err != nil {
		return "", fmt.Errorf("the changed source: %w", err)
	}
	at := slices.IndexFunc(again, func(a Found) bool { return a.Name == f.Name })
	if at < 0 {
		return "", fmt.Errorf("the changed source has no %s: %w", f.Name, patch.ErrByHand)
	}
	if outlook := diagnose.Weigh(k, again[at].Start, nil); !outlook.OK() {
		return "", fmt.Errorf("the changed source, read again, does not work: %w", patch.ErrByHand)
	}
	return strings.Join(f.source.line.prefixWords(), "") + p.Text, nil
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
	case src.kind == kindUnit:
		return o.unitWith(src, unit.File{Name: p.DropIn, Text: p.New.Text})
	default:
		return nil, patch.ErrByHand
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
