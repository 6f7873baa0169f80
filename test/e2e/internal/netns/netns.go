// Package netns reaches into the network namespaces of other processes.
//
// A network namespace belongs to a thread. Every function here enters one on a
// thread that is never given back to the Go scheduler: it dies with the
// goroutine, so no other code can wake up in a foreign network.
package netns

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Do runs f on a thread inside the network namespace at path, such as
// /proc/PID/ns/net. Sockets that f makes, and processes that f starts, stay
// in that namespace. Goroutines that f starts don't run in it.
func Do(path string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := enter(path); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func enter(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", path, err)
	}
	err = unix.Setns(fd, unix.CLONE_NEWNET)
	_ = unix.Close(fd) // only read from
	if err != nil {
		return fmt.Errorf("entering network namespace %s: %w", path, err)
	}
	return nil
}

// New makes a network namespace with the loopback interface up and the given
// sysctls (as in "net.ipv4.ip_unprivileged_port_start=1024"), and keeps it
// by a bind mount on the file path.
func New(path string, sysctls ...string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, as in Do
		done <- create(path)
	}()
	if err := <-done; err != nil {
		return err
	}
	if err := LoopbackUp(path); err != nil {
		return err
	}
	return Sysctl(path, sysctls...)
}

func create(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new network namespace: %w", err)
	}
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("keeping network namespace at %s: %w", path, err)
	}
	return nil
}

// LoopbackUp brings up the loopback interface of the namespace at path.
func LoopbackUp(path string) error {
	return Do(path, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		request, err := unix.NewIfreq("lo")
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_UP)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
	})
}

// Sysctl sets sysctls, each "name=value", in the network namespace at path.
func Sysctl(path string, sysctls ...string) error {
	return Do(path, func() error {
		for _, s := range sysctls {
			name, value, _ := strings.Cut(s, "=")
			file := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
			if err := os.WriteFile(file, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// Delete lets go of a namespace made by New.
func Delete(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting %s: %w", path, err)
	}
	return os.Remove(path)
}

// Dial connects to address from inside the network namespace at path. The host
// must be an IP address: with names, the dialer would leave the thread.
func Dial(ctx context.Context, path, network, address string) (conn net.Conn, err error) {
	err = Do(path, func() error {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Transport makes HTTP requests from inside the network namespace at path.
func Transport(path string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return Dial(ctx, path, network, address)
		},
		ResponseHeaderTimeout: 10 * time.Second,
	}
}
