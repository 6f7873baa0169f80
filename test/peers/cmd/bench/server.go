package main

import (
	"errors"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// kind is how servers of one kind are measured.
type kind struct {
	// serve starts one whose files are in the folder, and returns when it has answered.
	serve   func(binary, dir string) (*server, error)
	dir     string
	clients int
	client  client
}

// client asks a server until then, and counts the answers.
type client func(address string, until time.Time, count *atomic.Int64) error

// start is the milliseconds from exec to the end of the first answer.
func (k kind) start(name, binary, target string) subject {
	return subject{name, func() (ms float64, err error) {
		start := time.Now()
		s, err := k.serve(binary, k.dir)
		if err != nil {
			return 0, err
		}
		ms = float64(time.Since(start).Microseconds()) / 1000
		return ms, s.stop()
	}, target}
}

// rate is the answers per second over two seconds, of clients that each wait for
// theirs.
func (k kind) rate(name, binary, target string) subject {
	return subject{name, func() (rate float64, err error) {
		s, err := k.serve(binary, k.dir)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		return s.load(k.clients, k.client)
	}, target}
}

// server is a running Caddy or CoreDNS.
type server struct {
	cmd     *exec.Cmd
	address string
}

// load returns how much a second the clients get done at the same time, over two
// seconds.
func (s *server) load(clients int, client client) (rate float64, err error) {
	const duration = 2 * time.Second
	var count atomic.Int64
	errs := make([]error, clients)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range clients {
		wg.Go(func() {
			errs[i] = client(s.address, start.Add(duration), &count)
		})
	}
	wg.Wait()
	return float64(count.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

// stop ends the server and waits for it.
func (s *server) stop() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it was killed, and says so
	return nil
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return ln.Addr().(*net.TCPAddr).Port, ln.Close()
}
