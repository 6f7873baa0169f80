package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/capwise/capwise/test/e2e/internal/netns"
)

// tally counts requests by how they ended.
type tally struct {
	sent    atomic.Int64
	retried atomic.Int64
	reset   atomic.Int64 // died in the queue of a socket that closed
	empty   atomic.Int64 // accepted, then closed without an answer
	other   atomic.Int64
	example atomic.Pointer[string] // of other
}

func (c *tally) count(err error) {
	c.sent.Add(1)
	switch {
	case err == nil:
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.reset.Add(1)
	case errors.Is(err, io.EOF):
		c.empty.Add(1)
	default:
		c.other.Add(1)
		text := err.Error()
		c.example.CompareAndSwap(nil, &text)
	}
}

func (c *tally) lost() int64 { return c.reset.Load() + c.empty.Load() + c.other.Load() }

func (c *tally) String() string {
	s := fmt.Sprintf("%d lost of %d: %d reset, %d without an answer, %d otherwise",
		c.lost(), c.sent.Load(), c.reset.Load(), c.empty.Load(), c.other.Load())
	if text := c.example.Load(); text != nil {
		s += " (" + *text + ")"
	}
	return s
}

// newConnections is how many clients open a connection for each request.
const newConnections = 2

// clients are those who keep requests going while a server is reloaded.
type clients struct {
	network string
	port    atomic.Int32
	stop    chan struct{}
	wg      sync.WaitGroup
}

// startClients sends requests to the port until halt: one client by keep-alive
// connections, counted in kept, the others by a new one for each request,
// counted in fresh. Each sends as soon as it has its answer.
func startClients(network string, port int, kept, fresh *tally) *clients {
	c := &clients{network: network, stop: make(chan struct{})}
	c.use(port)
	c.wg.Go(func() { c.keepAlive(kept) })
	for range newConnections {
		c.wg.Go(func() {
			// One thread for all connections: making one costs more than a request.
			_ = netns.Do(network, func() error { c.reconnect(fresh); return nil })
		})
	}
	return c
}

// use lets the clients follow to another port.
func (c *clients) use(port int) { c.port.Store(int32(port)) }

func (c *clients) halt() {
	close(c.stop)
	c.wg.Wait()
}

func (c *clients) halted() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// keepAlive uses Go's own client. That one sends a request again by itself where
// the server has closed a connection that was in use before. Here it may be
// sent once more where the connection was a new one.
func (c *clients) keepAlive(tally *tally) {
	transport := netns.Transport(c.network)
	defer transport.CloseIdleConnections()
	for !c.halted() {
		err := getOnce(transport, int(c.port.Load()))
		if err != nil {
			tally.retried.Add(1)
			err = getOnce(transport, int(c.port.Load()))
		}
		tally.count(err)
	}
}

func getOnce(transport *http.Transport, port int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close() // all of it has been read, or err says why not
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("port %d: %s", port, response.Status)
	}
	return err
}

// reconnect opens a connection for each request and never tries again.
func (c *clients) reconnect(tally *tally) {
	for !c.halted() {
		tally.count(connectOnce(int(c.port.Load())))
	}
}

func connectOnce(port int) error {
	conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), 10*time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the answer is what counts
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if len(answer) == 0 {
		return io.EOF
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("port %d: answer %q", port, answer)
	}
	return nil
}
