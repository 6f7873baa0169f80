package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/capwise/capwise/internal/need"
)

// network is a network namespace with the loopback interface up, in which
// ports below 1024 need the capability. It belongs to one OS thread, which does
// everything in it, and ends with the test.
type network struct {
	calls  chan func()
	client *http.Client
}

func newNetwork(t testing.TB) *network {
	t.Helper()
	need.Root(t)
	n := &network{calls: make(chan func())}
	made := make(chan error)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		made <- enterNewNetwork()
		for call := range n.calls {
			call()
		}
	}()
	t.Cleanup(func() {
		close(n.calls)
		<-ended
	})
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	n.client = &http.Client{
		Timeout: 20 * time.Second,
		Transport: &http.Transport{
			DialContext:       func(_ context.Context, network, address string) (net.Conn, error) { return n.dial(network, address) },
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	n.sysctl(t, "net.ipv4.ip_unprivileged_port_start", "1024")
	return n
}

func enterNewNetwork() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new network namespace: %w", err)
	}
	return onLoopback(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP); return nil })
}

// onLoopback changes the loopback interface of the calling thread's network.
func onLoopback(call uint, set func(*unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := set(request); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, call, request)
}

// do calls fn on the network's thread. Goroutines that fn starts run elsewhere.
func (n *network) do(fn func()) {
	done := make(chan struct{})
	n.calls <- func() {
		defer close(done)
		fn()
	}
	<-done
}

// sysctl sets a kernel parameter of the network.
func (n *network) sysctl(t testing.TB, name, value string) {
	t.Helper()
	var err error
	n.do(func() {
		err = os.WriteFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/")), []byte(value), 0)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// withoutIPv4 takes the loopback interface its IPv4 address.
func (n *network) withoutIPv4(t testing.TB) {
	t.Helper()
	var err error
	n.do(func() {
		err = onLoopback(unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{0, 0, 0, 0}) })
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dial connects from inside the network. The host must be an IP address: for a
// name, package net would leave the thread.
func (n *network) dial(network, address string) (conn net.Conn, err error) {
	n.do(func() { conn, err = net.DialTimeout(network, address, 5*time.Second) })
	return conn, err
}

// listen holds a port until the test ends.
func (n *network) listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var ln net.Listener
	var err error
	n.do(func() { ln, err = net.Listen("tcp", address) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// answer is what an HTTP server said.
type answer struct {
	status int
	body   string
	header http.Header
}

// request asks an HTTP server in the network. Headers are "Name: value". A
// server that is being replaced may close a connection that it has not looked
// at yet; then the request is made again.
func (n *network) request(t testing.TB, method, url, body string, headers ...string) answer {
	t.Helper()
	for range 10 {
		a, err := n.ask(method, url, body, headers)
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	t.Fatalf("%s %s: every connection was closed without an answer", method, url)
	return answer{}
}

func (n *network) ask(method, url, body string, headers []string) (answer, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	resp, err := n.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(text), resp.Header}, errors.Join(err, resp.Body.Close())
}
