// Package findings writes what capwise scan has found: as a table, as JSON, which
// docs/schema/scan.schema.json describes, and as SARIF.
package findings

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"github.com/capwise/capwise/internal/printable"
	"github.com/capwise/capwise/scan"
)

// schemaVersion is that of the JSON. It changes with a change that breaks a reader.
const schemaVersion = 1

// Report is what a scan has found. Its lists are not nil, for JSON.
type Report struct {
	SchemaVersion int            `json:"schemaVersion"`
	Findings      []scan.Finding `json:"findings"`
	// Errors is what could not be read, one line each.
	Errors []string `json:"errors"`
}

// New returns a report of nothing.
func New() Report {
	return Report{SchemaVersion: schemaVersion, Findings: []scan.Finding{}, Errors: []string{}}
}

// Sort puts the findings in an order that does not depend on how they were found.
func (r *Report) Sort() {
	slices.SortFunc(r.Findings, func(a, b scan.Finding) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Image, b.Image), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Class, b.Class))
	})
	slices.Sort(r.Errors)
}

// Has reports whether a finding is of one of the classes.
func (r *Report) Has(classes []scan.Class) bool {
	return slices.ContainsFunc(r.Findings, func(f scan.Finding) bool { return slices.Contains(classes, f.Class) })
}

// several says of which targets findings are in several images, or for several
// platforms.
type several struct{ images, platforms map[string]bool }

func (r *Report) several() several {
	out := several{map[string]bool{}, map[string]bool{}}
	first := map[string]*scan.Finding{}
	for i := range r.Findings {
		f := &r.Findings[i]
		one := first[f.Target]
		if one == nil {
			first[f.Target] = f
			continue
		}
		out.images[f.Target] = out.images[f.Target] || f.Image != one.Image
		out.platforms[f.Target] = out.platforms[f.Target] || f.Platform != one.Platform
	}
	return out
}

// target names the target of a finding, and where that has several images, which: by
// its tag, or its platform, or both.
func (s several) target(f *scan.Finding) string {
	text := printable.Name(f.Target)
	if s.images[f.Target] && f.Image != "" {
		text += " " + printable.Name(f.Image)
	}
	if s.platforms[f.Target] && f.Platform != "" {
		text += " " + printable.Name(f.Platform)
	}
	return text
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	if len(r.Findings) == 0 {
		_, err := io.WriteString(w, "no file carries capabilities\n")
		return err
	}
	t := table.New().BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderHeader(false).BorderColumn(false).
		StyleFunc(func(int, int) lipgloss.Style { return lipgloss.NewStyle().PaddingRight(2) }).
		Headers("VERDICT", "FILE", "CAPABILITIES", "EVIDENCE")
	several := r.several()
	for _, f := range r.Findings {
		where := printable.Name(f.Path)
		if f.Target != f.Path {
			where = several.target(&f) + " " + where
		}
		evidence := f.Evidence
		if f.Warning != "" {
			evidence += "; " + f.Warning
		}
		caps := cmp.Or(f.Capabilities, "none")
		if f.Capabilities == "" && (f.Class == scan.Foreign || f.Class == scan.Malformed) {
			caps = "?" // some that can't be read
		}
		t.Row(string(f.Class), where, caps, printable.Line(evidence))
	}
	for line := range strings.Lines(printable.Styled(t.String()) + "\n") {
		if _, err := lipgloss.Fprintln(printable.Raw(w), strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}
