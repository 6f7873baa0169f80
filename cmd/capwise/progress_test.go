package main

import (
	"testing"
	"time"
)

func TestLeft(t *testing.T) {
	for _, tc := range []struct {
		done, total int64
		want        string
	}{
		{0, 0, ""},
		{0, 100, ""},
		{50, 0, ""},
		{300, 200, ""},
		{200, 200, ""},
		{50, 200, ", 25 %, about 6s left"},
	} {
		if got := left(tc.done, tc.total, 2*time.Second); got != tc.want {
			t.Errorf("%d of %d: got %q, want %q", tc.done, tc.total, got, tc.want)
		}
	}
}
