package report

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/diagnose"
	"github.com/capwise/capwise/internal/printable"
)

// Style colours the text. lipgloss.Fprint leaves the colours out where w is no
// terminal or NO_COLOR is set.
var (
	good = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Green)
	bad  = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red)
	dim  = lipgloss.NewStyle().Faint(true)
)

// WriteText writes the report for people: the verdict first, then the cause,
// then the remedies, then, if asked for, the trace.
func (r *Report) WriteText(w io.Writer, trace bool) error {
	var b strings.Builder
	for i := range r.Starts {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.Starts[i].text(&b, trace)
	}
	_, err := lipgloss.Fprint(printable.Raw(w), printable.Styled(b.String()))
	return err
}

func (s *Start) text(b *strings.Builder, trace bool) {
	fmt.Fprintf(b, "%s  %s\n", mark(s.Verdict), s.title)
	if !s.Exec.OK {
		s.Exec.text(b, "does not start")
	} else if c := s.Credentials; c != nil {
		fmt.Fprintf(b, "      %s as %d:%d; %s\n", s.starts, c.UID, c.GID, held(c))
	}
	for _, bind := range s.Binds {
		if !bind.OK {
			bind.text(b, printable.Name(bind.what))
			continue
		}
		fmt.Fprintf(b, "      %s: %s\n", printable.Name(bind.what), needs[diagnose.Needs(bind.Needs)])
	}
	s.remedies(b)
	s.tried(b)
	for _, n := range s.Notes {
		fmt.Fprintf(b, "      note: %s\n", printable.Line(n))
	}
	if trace {
		b.WriteString("      trace:\n")
		for _, r := range s.Trace {
			fmt.Fprintf(b, "        %s: %s %s\n", printable.Name(r.At), r.Says, dim.Render("["+r.Rule+"; "+r.Source+"]"))
		}
	}
}

// needs words what a bind that works needs.
var needs = map[diagnose.Needs]string{
	diagnose.Free:  "needs no capability",
	diagnose.Held:  "CAP_NET_BIND_SERVICE is effective",
	diagnose.Raise: "the program raises CAP_NET_BIND_SERVICE, which is permitted",
}

func mark(verdict string) string {
	if verdict == works {
		return good.Render("OK  ")
	}
	return bad.Render("FAIL")
}

func (a Answer) text(b *strings.Builder, what string) {
	errno := ""
	if a.Errno != "" {
		errno = " with " + a.Errno
	}
	fmt.Fprintf(b, "      %s: fails%s: %s\n      cause: %s\n", what, errno, printable.Line(a.Reason), a.Cause)
}

func (s *Start) remedies(b *strings.Builder) {
	if s.Verdict == works {
		return
	}
	if len(s.Remedies) > 0 {
		b.WriteString("      remedies, least privilege first; each makes it work:\n")
	} else {
		b.WriteString("      no remedy found\n")
	}
	for i, r := range s.Remedies {
		fmt.Fprintf(b, "        %d. %s\n           %s\n", i+1, printable.Line(r.How), dim.Render("grants: "+r.Gives))
	}
	for _, r := range s.Withheld {
		fmt.Fprintf(b, "        -  %s\n           %s\n", printable.Line(r.How), dim.Render("not offered: "+printable.Line(r.Withheld)))
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
