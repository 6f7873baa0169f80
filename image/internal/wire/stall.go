package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// stalledError is what a connection comes to that makes no progress. It is not
// temporary: to try again would take as long again.
type stalledError struct {
	host  string
	after time.Duration
}

// Error implements error.
func (e *stalledError) Error() string {
	return fmt.Sprintf("%s has sent nothing for %s", e.host, e.after)
}

// watched ends requests that make no progress: neither a byte sent, nor an answer,
// nor a byte of it.
type watched struct {
	inner  http.RoundTripper
	dialer *dialer
	stall  time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (t *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.dialer.checkLiteral(r.URL.Hostname()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	w := &watch{host: r.URL.Host, wait: t.stall, cancel: cancel, ctx: ctx}
	w.now.Store(int64(w.wait))
	w.timer = time.AfterFunc(w.wait, w.expire)
	r = r.Clone(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &watchedBody{ReadCloser: r.Body, w: w, sending: true}
	}
	answer, err := t.inner.RoundTrip(r)
	if err != nil {
		w.end()
		return nil, w.because(err)
	}
	w.progress(w.wait)
	answer.Body = &watchedBody{ReadCloser: limited(ctx, answer.Body), w: w}
	return answer, nil
}

// watch is the watch over one request.
type watch struct {
	host   string
	wait   time.Duration
	now    atomic.Int64 // the wait that goes on
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (w *watch) expire() { w.cancel(&stalledError{w.host, time.Duration(w.now.Load())}) }

func (w *watch) progress(next time.Duration) {
	w.now.Store(int64(next))
	w.timer.Reset(next)
}

func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// because returns the stall, if that is why something failed.
func (w *watch) because(err error) error {
	var stalled *stalledError
	if errors.As(context.Cause(w.ctx), &stalled) {
		return stalled
	}
	return err
}

// watchedBody is content on its way. Nobody waits for who reads it: the time is
// measured while a read goes on.
type watchedBody struct {
	io.ReadCloser
	w       *watch
	sending bool
}

// Read implements [io.Reader].
func (b *watchedBody) Read(p []byte) (int, error) {
	if !b.sending {
		b.w.progress(b.w.wait)
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case b.sending && err == nil:
		b.w.progress(b.w.wait)
	case b.sending: // all is sent: now the registry has its work
		b.w.progress(max(b.w.wait, stallUploaded))
	case err == nil || errors.Is(err, io.EOF):
		b.w.timer.Stop()
	default:
		err = b.w.because(err)
	}
	return n, err
}

// Close implements [io.Closer].
func (b *watchedBody) Close() error {
	if !b.sending {
		b.w.end()
	}
	return b.ReadCloser.Close()
}
