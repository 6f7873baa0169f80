package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// showProgress counts on standard error, if that is a terminal, how many files
// were looked at and how fast, until the function that it returns is called, and
// how long the rest will take, if there are about total files; 0 is not known.
func showProgress(files *atomic.Int64, total int64) (stop func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		start := time.Now()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				fmt.Fprint(os.Stderr, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprint(os.Stderr, "\r\x1b[K"+progressLine(files.Load(), total, time.Since(start)))
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}

// progressLine words how far it is after the time passed.
func progressLine(done, total int64, passed time.Duration) string {
	rate := float64(done) / passed.Seconds()
	line := fmt.Sprintf("%d files, %.0f a second", done, rate)
	if done > 0 && done < total {
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		line += fmt.Sprintf(", %d %%, about %s left", 100*done/total, left.Round(time.Second))
	}
	return line
}
