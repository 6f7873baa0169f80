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
// were looked at and how fast, until the function that it returns is called. A
// tree does not say beforehand how large it is, so there is no time to go.
func showProgress(files *atomic.Int64) (stop func()) {
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
				n := files.Load()
				fmt.Fprintf(os.Stderr, "\r\x1b[K%d files, %.0f a second", n, float64(n)/time.Since(start).Seconds())
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}
