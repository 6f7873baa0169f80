package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/printable"
)

// Style colours the text. lipgloss.Fprint leaves the colours out where w is no
// terminal or NO_COLOR is set.
var (
	good   = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Green)
	bad    = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red)
	either = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Yellow)
	dim    = lipgloss.NewStyle().Faint(true)
)

// WriteText writes the report for people: the verdict first, then the cause,
// then the remedies, then, if asked for, the trace.
func (r *Report) WriteText(w io.Writer, trace bool) error {
	var b strings.Builder
	shared := r.shared()
	for i := range r.Starts {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.Starts[i].text(&b, trace, shared)
	}
	for i, n := range shared {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "note on %d of these: %s\n", r.count(n), printable.Line(n))
	}
	_, err := lipgloss.Fprint(printable.Raw(w), printable.Styled(b.String()))
	return err
}

// shared is the notes that more than one start has, which are said once.
func (r *Report) shared() []string {
	var out []string
	for i := range r.Starts {
		for _, n := range r.Starts[i].Notes {
			if !slices.Contains(out, n) && r.count(n) > 1 {
				out = append(out, n)
			}
		}
	}
	return out
}

// count is how many starts have a note.
func (r *Report) count(note string) (n int) {
	for i := range r.Starts {
		if slices.Contains(r.Starts[i].Notes, note) {
			n++
		}
	}
	return n
}

// text writes the answer for a start, without the notes that it shares with others.
func (s *Start) text(b *strings.Builder, trace bool, shared []string) {
	fmt.Fprintf(b, "%s  %s%s\n", mark(s.Verdict), s.title, s.about())
	if s.Result != nil && (!s.blind || !s.Exec.OK || s.started(s.starts) != s.starts) { // which the first line says
		s.Result.text(b, "      ", s.starts)
	}
	for i := range s.Depends {
		s.Depends[i].text(b, s.starts)
	}
	s.remedies(b)
	s.tried(b)
	s.patches(b)
	for _, n := range s.Notes {
		if !slices.Contains(shared, n) {
			fmt.Fprintf(b, "      note: %s\n", printable.Line(n))
		}
	}
	if trace {
		b.WriteString("      trace:\n")
		for _, r := range s.Trace {
			fmt.Fprintf(b, "        %s: %s %s\n", printable.Name(r.At), r.Says, dim.Render("["+r.Rule+"; "+r.Source+"]"))
		}
	}
}

// about says on what the verdict depends, or what it is not about.
func (s *Start) about() string {
	switch {
	case s.Verdict == depends:
		return ": depends on " + printable.Line(s.settle)
	case s.blind && s.Verdict == works:
		return ": starts; no address is known, so no bind was judged (--listen)"
	default:
		return ""
	}
}

// text says what comes of a start.
func (r *Result) text(b *strings.Builder, indent, starts string) {
	switch {
	case !r.Exec.OK:
		r.Exec.text(b, indent, "does not start")
	default:
		fmt.Fprintf(b, "%s%s\n", indent, r.started(starts))
	}
	for i := 0; i < len(r.Binds); {
		bind := r.Binds[i]
		what := []string{printable.Name(bind.what)}
		for i++; i < len(r.Binds) && r.Binds[i].same(&bind); i++ {
			what = append(what, printable.Name(r.Binds[i].what))
		}
		addresses := strings.Join(what, ", ") + ": "
		if len(what) > 1 && (!bind.OK || bind.Needs == string(diagnose.Free)) {
			addresses += "each "
		}
		if !bind.OK {
			fmt.Fprintf(b, "%s%sfails with %s: %s\n%scause: %s\n", indent, addresses, bind.Errno, printable.Line(bind.Reason), indent, bind.Cause)
			continue
		}
		fmt.Fprintf(b, "%s%s%s\n", indent, addresses, needs[diagnose.Needs(bind.Needs)])
	}
}

// started says as whom it starts, and with what.
func (r *Result) started(starts string) string {
	if r.Credentials == nil {
		return starts + r.as
	}
	return starts + r.as + "; " + held(r.Credentials)
}

// same reports whether the answer for another address is the same, word for word.
func (b *Bind) same(o *Bind) bool { return b.Answer == o.Answer && b.Needs == o.Needs }

// text says what comes of a start in one case.
func (c *Case) text(b *strings.Builder, starts string) {
	fmt.Fprintf(b, "      %s if %s:\n", strings.TrimSpace(mark(c.Then)), printable.Line(c.If))
	c.Result.text(b, "        ", starts)
	if len(c.Remedies) > 0 {
		b.WriteString("        remedies for this case, least privilege first:\n")
		list(b, "          ", c.Remedies)
	}
}

// needs words what a bind that works needs.
var needs = map[diagnose.Needs]string{
	diagnose.Free:  "needs no capability",
	diagnose.Held:  "CAP_NET_BIND_SERVICE is effective",
	diagnose.Raise: "the program raises CAP_NET_BIND_SERVICE, which is permitted",
}

func mark(verdict string) string {
	switch verdict {
	case works:
		return good.Render("OK  ")
	case depends:
		return either.Render("DEPENDS")
	default:
		return bad.Render("FAIL")
	}
}

func (a Answer) text(b *strings.Builder, indent, what string) {
	if a.Errno != "" {
		what += ": fails with " + a.Errno
	}
	fmt.Fprintf(b, "%s%s: %s\n%scause: %s\n", indent, what, printable.Line(a.Reason), indent, a.Cause)
}

func (s *Start) remedies(b *strings.Builder) {
	if s.Verdict == works {
		return
	}
	switch {
	case len(s.Remedies) > 0:
		b.WriteString("      remedies, least privilege first; each makes it work" + s.always() + ":\n")
	case !slices.ContainsFunc(s.Depends, func(c Case) bool { return len(c.Remedies) > 0 }):
		b.WriteString("      no remedy found" + s.always() + "\n")
	}
	list(b, "        ", s.Remedies)
	for _, r := range s.Withheld {
		fmt.Fprintf(b, "        -  %s\n           %s\n", printable.Line(r.How), dim.Render("not offered: "+printable.Line(r.Withheld)))
	}
}

// patches shows the remedies that were written into the source, as they are to be
// applied.
func (s *Start) patches(b *strings.Builder) {
	for i, r := range s.Remedies {
		what, part := "applied", ""
		written := r.FilePatch+r.Patch != ""
		if written && r.ByHand != "" {
			what, part = "the rest of it", "in part "
		}
		if r.ByHand != "" {
			fmt.Fprintf(b, "      remedy %d is %s%s\n", i+1, part, printable.Line(r.ByHand))
		}
		if written {
			fmt.Fprintf(b, "      remedy %d, %s:\n%s%s", i+1, what, applied(r.FilePatch), applied(r.Patch))
		}
	}
}

// applied is a patch for a terminal: a diff line by line, a command in one line.
func applied(text string) string {
	if text != "" && !strings.HasPrefix(text, "--- ") {
		return printable.Line(strings.TrimSuffix(text, "\n")) + "\n"
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(printable.Line(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}

// always says of remedies that they are for each case.
func (s *Start) always() string {
	if len(s.Depends) > 0 {
		return " in every case"
	}
	return ""
}

func list(b *strings.Builder, indent string, remedies []Remedy) {
	for i, r := range remedies {
		how := r.How
		if r.If != "" {
			how += ", if " + r.If
		}
		fmt.Fprintf(b, "%s%d. %s\n%s   %s\n", indent, i+1, printable.Line(how), indent, dim.Render("grants: "+r.Gives))
	}
}

func (s *Start) tried(b *strings.Builder) {
	switch {
	case s.Tried == nil:
		return
	case s.Tried.Agrees:
		b.WriteString("      tried on this kernel: matches the prediction\n")
	default:
		for _, d := range s.Tried.Differences {
			fmt.Fprintf(b, "      tried on this kernel: MISMATCH: %s\n", printable.Line(d))
		}
	}
	for _, n := range s.Tried.Notes {
		fmt.Fprintf(b, "      note: %s\n", printable.Line(n))
	}
}

// held says what the program holds.
func held(c *Credentials) string {
	if c.Permitted == c.Effective {
		return "permitted and effective: " + names(c.Permitted)
	}
	return "permitted: " + names(c.Permitted) + "; effective: " + names(c.Effective)
}

// few is how many capabilities are worth naming one by one.
const few = 5

// names lists a set for people.
func names(s capset.Set) string {
	missing := capset.All &^ s
	switch {
	case s == 0:
		return "nothing"
	case missing == 0:
		return "all"
	case missing.Len() <= few:
		return "all but " + missing.String()
	case s.Len() <= few:
		return s.String()
	case s.Has(capset.NetBindService):
		return fmt.Sprintf("%d, cap_net_bind_service among them", s.Len())
	default:
		return fmt.Sprintf("%d, cap_net_bind_service not among them", s.Len())
	}
}
