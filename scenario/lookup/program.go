package lookup

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/capwise/capwise/aware"
	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/filecap"
	"github.com/capwise/capwise/scenario"
)

// program finds what is executed.
func (r *resolver) program() {
	s := r.start
	entrypoint, args := s.Request.Entrypoint, s.Request.Args
	if entrypoint == nil {
		entrypoint = r.image.Entrypoint
		if args == nil {
			args = r.image.Cmd
		}
	}
	s.Program.Args = append(append([]string(nil), entrypoint...), args...)
	if len(s.Program.Chain) > 0 { // a source that knows it already
		r.last(s)
		return
	}
	r.choose(r.routes(entrypoint))
}

// routes returns the ways to the program that listens.
func (r *resolver) routes(entrypoint []string) []route {
	s := r.start
	w := walk{resolver: r, search: r.search()}
	begin := route{uid: &s.Settings.UID}
	if len(s.Unknowns) > 0 { // the user is one of them
		begin.uid = nil
	}
	if s.Request.Init {
		begin = begin.with(scenario.Step{Path: "/sbin/docker-init"})
	}
	args := s.Program.Args
	switch {
	case len(args) == 0 && r.known:
		return []route{r.failed(begin, "the image", errNoProgram)}
	case r.known || entrypoint != nil && len(args) > 0 || len(args) > 0 && s.Request.Image == "":
		return w.execute(args, begin, 0)
	case len(args) > 0 && w.executesNext(args):
		s.Note("assuming that the image has no ENTRYPOINT, or one that executes its arguments")
		return w.execute(args, begin, 0)
	default: // the image's own, whose name is not known
		return []route{begin.with(scenario.Step{})}
	}
}

// choose makes the program of the start that which the routes lead to.
func (r *resolver) choose(routes []route) {
	s := r.start
	var cases []scenario.Case
	for i := range routes {
		cases = append(cases, r.cases(&routes[i])...)
	}
	cases[0].Set(s)
	if len(cases) == 1 {
		switch {
		case s.Refused != nil || r.given.FileCaps != nil:
		case !r.known:
			r.unsureOfFile()
		default:
			r.unsureOfRaising()
		}
		return
	}
	s.Unsure(scenario.Unknown{Fact: scenario.FactProgram, What: "what " + routes[0].script + " executes at last", Settle: "--file-caps with --user", Cases: cases})
}

// cases returns what may become of a start on a route: one thing, if it is known what
// the route leads to.
func (r *resolver) cases(at *route) []scenario.Case {
	clause := strings.Join(at.ifs, " and ")
	set := func(change func(*scenario.Start)) func(*scenario.Start) {
		return func(s *scenario.Start) {
			at.put(s)
			if change != nil {
				change(s)
			}
			r.last(s)
		}
	}
	if !at.lost {
		return []scenario.Case{{If: clause, Set: set(nil)}}
	}
	if clause != "" {
		clause += " and "
	}
	if r.given.FileCaps != nil {
		return []scenario.Case{{If: clause + at.script + " executes a program with the given capabilities", Set: set(nil)}}
	}
	cases := []scenario.Case{{If: clause + at.script + " executes a program without capabilities", Set: set(nil)}}
	for _, c := range r.fileCases(clause + "its program") {
		cases = append(cases, scenario.Case{If: c.If, Set: set(c.Set)})
	}
	return append(cases, scenario.Case{If: clause + at.script + " changes its user before", Set: set(func(s *scenario.Start) {
		uid, gid := uint32(somebody), uint32(somebody)
		s.Program.Last().Switch = &scenario.Switch{By: at.script, UID: &uid, GID: &gid, Somebody: true, Groups: true}
	})})
}

// unsureOfFile is for a program whose file nobody has.
func (r *resolver) unsureOfFile() {
	s := r.start
	u := scenario.Unknown{Fact: scenario.FactFile, What: "the capabilities of its program's file", Settle: "--file-caps, or --image"}
	u.Cases = []scenario.Case{{If: "its program's file carries no capabilities", Set: func(*scenario.Start) {}}}
	u.Cases = append(u.Cases, r.fileCases("its program's file")...)
	s.Unsure(u)
}

// fileCases are the capabilities that matter of a file that nobody has.
func (r *resolver) fileCases(what string) []scenario.Case {
	carries := func(effective bool, awareness scenario.Awareness) func(*scenario.Start) {
		return func(s *scenario.Start) {
			last := s.Program.Last()
			last.File.Caps = filecap.Caps{Permitted: capset.Of(capset.NetBindService), Effective: effective, Revision: filecap.V2}
			s.Program.Awareness = awareness
		}
	}
	out := []scenario.Case{{If: what + " carries cap_net_bind_service=ep", Set: carries(true, scenario.Dumb)}}
	if r.given.Awareness != scenario.Dumb {
		out = append(out, scenario.Case{If: what + " carries cap_net_bind_service=p, and raises it", Set: carries(false, scenario.Aware)})
	}
	return out
}

// last completes the last program: with what the reader says of its file, and whether
// it raises its capabilities.
func (r *resolver) last(s *scenario.Start) {
	p := &s.Program
	if len(p.Chain) == 0 {
		return
	}
	last := p.Last()
	if r.given.FileCaps != nil {
		last.File.Caps, last.File.Malformed, last.File.Foreign = *r.given.FileCaps, false, false
	}
	switch {
	case r.given.Awareness != "":
		p.Awareness = r.given.Awareness
	case p.Awareness != "":
	case r.given.FileCaps != nil && permittedOnly(last.File.Caps):
		p.Awareness = scenario.Aware // or the reader would not have said so
	default:
		result := r.about(last.Path)
		p.RunsCode = result.RunsCode
		if p.Awareness = scenario.Dumb; result.Answer == aware.Aware || result.Answer == aware.Unknown && permittedOnly(last.File.Caps) {
			p.Awareness = scenario.Aware
		}
	}
}

// permittedOnly reports whether a file carries the capability without the effective bit.
func permittedOnly(c filecap.Caps) bool {
	return c.Permitted.Has(capset.NetBindService) && !c.Effective
}

// programs is a file system that knows whether a program raises its capabilities.
type programs interface {
	Program(path string) (aware.Result, error)
}

// about is what is known of a program from its file.
func (r *resolver) about(path string) aware.Result {
	files, ok := r.files.(programs)
	if !ok || path == "" {
		return aware.Result{Answer: aware.Unknown, Evidence: "its file was not looked into"}
	}
	if result, ok := r.looked[path]; ok {
		return result
	}
	result, err := files.Program(path)
	if err != nil {
		result = aware.Result{Answer: aware.Unknown, Evidence: err.Error()}
	}
	r.looked[path] = result
	return result
}

// unsureOfRaising is for a program with a capability that is permitted only, whose file
// does not tell whether it raises it.
func (r *resolver) unsureOfRaising() {
	p := &r.start.Program
	if r.given.Awareness != "" || len(p.Chain) == 0 || !permittedOnly(p.Last().File.Caps) {
		return
	}
	result := r.about(p.Last().Path)
	if result.Answer != aware.Unknown {
		return
	}
	is := func(a scenario.Awareness) func(*scenario.Start) {
		return func(s *scenario.Start) { s.Program.Awareness = a }
	}
	r.start.Unsure(scenario.Unknown{
		Fact: scenario.FactRaises, What: "whether " + p.Last().Path + " raises its capability", Settle: "--program",
		Cases: []scenario.Case{
			{If: p.Last().Path + " raises its capability", Set: is(scenario.Aware)},
			{If: "it does not (" + result.Evidence + ")", Set: is(scenario.Dumb)},
		},
	})
}

// route is a way from what the runtime executes to the program that listens.
type route struct {
	chain []scenario.Step
	// uid is whom the program runs as that the way has come to; nil if nobody knows.
	uid *uint32
	// change is what that program changes before it executes the next.
	change *scenario.Switch
	// ifs is what is so on this way, and script the last one that was read.
	ifs    []string
	script string
	// lost says that the program executes another, and that nobody knows which.
	lost bool
	// refused is why the way ends before its program.
	refused *scenario.Refusal
	notes   []string
}

// with returns the way one step further.
func (at route) with(step scenario.Step) route {
	step.Switch, at.change = at.change, nil
	at.chain = append(at.chain[:len(at.chain):len(at.chain)], step)
	return at
}

func (at route) note(format string, args ...any) route {
	at.notes = append(at.notes[:len(at.notes):len(at.notes)], fmt.Sprintf(format, args...))
	return at
}

// unknown returns the way with a next step of which nothing is known.
func (at route) unknown(script string) route {
	at = at.with(scenario.Step{})
	at.lost, at.script = true, script
	return at
}

var errNoProgram = errors.New("it says no program")

// failed returns the way that ends where there is no program to execute.
func (r *resolver) failed(at route, name string, err error) route {
	switch {
	case errors.Is(err, fs.ErrPermission):
		at.refused = &scenario.Refusal{Cause: scenario.CauseNotExecutable, Reason: fmt.Sprintf("%s in %s is not executable", name, r.files)}
	case errors.Is(err, errNotFound), errors.Is(err, fs.ErrNotExist):
		at.refused = &scenario.Refusal{Cause: scenario.CauseNotFound, Reason: fmt.Sprintf("%s is not in %s", name, r.files)}
	case errors.Is(err, errNoProgram):
		at.refused = &scenario.Refusal{Cause: scenario.CauseNotFound, Reason: "neither the source nor the image says what to execute"}
	default:
		return at.note("%s: %v", name, err).unknown(name)
	}
	return at
}

// put makes the way that of a start.
func (at *route) put(s *scenario.Start) {
	s.Program.Chain = append([]scenario.Step(nil), at.chain...)
	s.Program.Awareness = ""
	for _, n := range at.notes {
		s.Note(n)
	}
	if s.Refused == nil {
		s.Refused = at.refused
	}
}
