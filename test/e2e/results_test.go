package e2e

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
)

// results collects what the matrix found, for the table at the end.
var results = table{cells: map[[2]string]string{}, lacks: map[string]string{}}

type table struct {
	mu      sync.Mutex
	rows    []string
	columns []string
	cells   map[[2]string]string
	lacks   map[string]string // what a test that was left out needs, by its name
}

// report records the outcome of t, once it has ended, in the given cell.
func (r *table) report(t *testing.T, row, column string) {
	r.set(row, column, "did not end")
	t.Cleanup(func() {
		switch {
		case t.Failed():
			r.set(row, column, "FAIL")
		case t.Skipped():
			r.set(row, column, "left out: "+r.lack(t))
		default:
			r.set(row, column, "ok")
		}
	})
}

// leaveOut remembers why t is skipped.
func (r *table) leaveOut(t *testing.T, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lacks[t.Name()] = why
}

func (r *table) lack(t *testing.T) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lacks[t.Name()]
}

func (r *table) set(row, column, cell string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.rows, row) {
		r.rows = append(r.rows, row)
	}
	if !slices.Contains(r.columns, column) {
		r.columns = append(r.columns, column)
	}
	r.cells[[2]string{row, column}] = cell
}

// print writes the table; nothing where no test reported.
func (r *table) print(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return nil
	}
	slices.Sort(r.columns)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(first string, cell func(column string) string) {
		_, _ = fmt.Fprint(tw, first) // tabwriter reports errors on Flush
		for _, c := range r.columns {
			_, _ = fmt.Fprint(tw, "\t", cell(c))
		}
		_, _ = fmt.Fprintln(tw)
	}
	line("case", func(c string) string { return c })
	for _, row := range r.rows {
		line(row, func(c string) string { return r.cells[[2]string{row, c}] })
	}
	return tw.Flush()
}
