package main

import (
	"fmt"
	"math"
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

// compare lets the subjects take turns, in this order and in the opposite one, and
// prints, for each, the median value and its ratio to the first subject.
func compare(title, unit string, rounds int, subjects []subject) error {
	values := make([][]float64, len(subjects))
	for round := range rounds + 1 {
		for turn := range subjects {
			i := turn
			if round%2 == 0 {
				i = len(subjects) - 1 - turn
			}
			v, err := subjects[i].measure()
			if err != nil {
				return fmt.Errorf("%s: %w", subjects[i].name, err)
			}
			if round > 0 { // the first warms up
				values[i] = append(values[i], v)
			}
		}
	}
	fmt.Printf("%s (%d rounds)\n", title, rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	for i, s := range subjects {
		_, _ = fmt.Fprintf(w, "  %s\t%.1f %s\t%.2f times\t%s\n", s.name, median(values[i]), unit, ratio(values[i], values[0]), s.target)
	}
	return w.Flush()
}

// ratio is the mean (the geometric one) of two medians, of the rounds' ratios in
// one order and in the other: whoever comes later in a round may be slower for it.
func ratio(values, first []float64) float64 {
	var orders [2][]float64
	for round, v := range values {
		orders[round%2] = append(orders[round%2], v/first[round])
	}
	return math.Sqrt(median(orders[0]) * median(orders[1]))
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
