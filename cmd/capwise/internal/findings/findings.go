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

// image names the image of a finding where its target has several: by its tag, or its
// platform, or both.
func (r *Report) image(f *scan.Finding) string {
	var images, platforms bool
	for _, other := range r.Findings {
		images = images || other.Target == f.Target && other.Image != f.Image
		platforms = platforms || other.Target == f.Target && other.Platform != f.Platform
	}
	text := ""
	if images && f.Image != "" {
		text += " " + printable.Name(f.Image)
	}
	if platforms && f.Platform != "" {
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
	for _, f := range r.Findings {
		where := printable.Name(f.Path)
		if f.Target != f.Path {
			where = printable.Name(f.Target) + r.image(&f) + " " + where
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
