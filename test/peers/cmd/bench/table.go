package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// subject is one row of a table.
type subject struct {
	name string
	// measure does the work once or many times and returns the measured value.
	measure func() (float64, error)
	target  string // what the ratio should be; "" if there is no target
}

// compare lets the subjects take turns and prints, for each, the median value
// and the median of its ratios to the first subject.
func compare(title, unit string, rounds int, subjects []subject) error {
	values := make([][]float64, len(subjects))
	for round := range rounds + 1 {
		for i, s := range subjects {
			v, err := s.measure()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if round > 0 { // the first warms up
				values[i] = append(values[i], v)
			}
		}
	}
	fmt.Printf("%s (%d rounds)\n", title, rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	for i, s := range subjects {
		ratios := make([]float64, rounds)
		for r := range ratios {
			ratios[r] = values[i][r] / values[0][r]
		}
		_, _ = fmt.Fprintf(w, "  %s\t%.1f %s\t%.2f times\t%s\n", s.name, median(values[i]), unit, median(ratios), s.target)
	}
	return w.Flush()
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
