package main

import (
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, tc := range []struct {
		done, total int64
		want        string
	}{
		{0, 0, "0 files, 0 a second"},
		{0, 100, "0 files, 0 a second"},
		{50, 0, "50 files, 25 a second"},
		{50, 200, "50 files, 25 a second, 25 %, about 6s left"},
		{300, 200, "300 files, 150 a second"},
	} {
		if got := progressLine(tc.done, tc.total, 2*time.Second); got != tc.want {
			t.Errorf("%d of %d: got %q, want %q", tc.done, tc.total, got, tc.want)
		}
	}
}
