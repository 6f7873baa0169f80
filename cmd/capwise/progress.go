package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/capwise/capwise/image/layer"
)

// showProgress writes a line to standard error, if that is a terminal, again and again,
// until the function that it returns is called. line gets the time that has passed.
func showProgress(line func(passed time.Duration) string) (stop func()) {
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
				fmt.Fprint(os.Stderr, "\r\x1b[K"+line(time.Since(start)))
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}

// showFiles counts files, of which there are about total; 0 is not known.
func showFiles(files *atomic.Int64, total int64) (stop func()) {
	return showProgress(func(passed time.Duration) string {
		done := files.Load()
		return fmt.Sprintf("%d files, %.0f a second", done, float64(done)/passed.Seconds()) + left(done, total, passed)
	})
}

// showLayers counts the bytes of layers.
func showLayers(p *layer.Progress) (stop func()) {
	return showProgress(func(passed time.Duration) string {
		const mega = 1e6
		done, all := p.Bytes()
		return fmt.Sprintf("%.1f of %.1f MB of layers", float64(done)/mega, float64(all)/mega) + left(done, all, passed)
	})
}

// left words how far it is after the time passed, and how long the rest will take.
func left(done, total int64, passed time.Duration) string {
	if done <= 0 || done >= total {
		return ""
	}
	rest := time.Duration(float64(total-done) / float64(done) * float64(passed))
	return fmt.Sprintf(", %d %%, about %s left", 100*done/total, rest.Round(time.Second))
}
