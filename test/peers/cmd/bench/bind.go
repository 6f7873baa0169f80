package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/internal/kerneltest"
)

const (
	openPort = ":8080" // needs no capability
	lowPort  = ":80"
)

// benchBind measures how long it takes to listen and close.
func benchBind() error {
	// Many short rounds: what disturbs one of them does not reach the median.
	const rounds = 301
	err := compare("listen and close, a port that needs no capability", "µs", rounds, []subject{
		{"net.Listen", perCall(50, plain(openPort)), ""},
		{"capwise.Listen", perCall(50, listenWith(openPort, true)), "target: at most 1.03"},
	})
	if err != nil {
		return err
	}
	err = compare("listen and close, a port that needs CAP_NET_BIND_SERVICE", "µs", rounds, []subject{
		{"net.Listen on a port that needs none", perCall(20, plain(openPort)), ""},
		{"capwise.Listen", perCall(20, listenWith(lowPort, true)), "target: at most 2.30"},
		{"capwise.ListenConfig, without Multipath TCP", perCall(20, listenWith(lowPort, false)), ""},
		{"a throwaway thread, as Caddy does", perCall(20, onThrowawayThread), "target: 3 times capwise's or more"},
		{"libcap's Go launcher", perCall(20, byLauncher), "target: 3 times capwise's or more"},
	})
	if err != nil {
		return err
	}
	for _, threads := range []int{10, 100, 1000} {
		if err := benchThreads(threads); err != nil {
			return err
		}
	}
	// From here on for good: a filter, as containers have, that refuses nothing
	// which is asked for here.
	if err := kerneltest.Refuse(unix.SYS_REBOOT, unix.EPERM); err != nil {
		return err
	}
	return compare("the same under a seccomp filter", "µs", rounds, []subject{
		{"net.Listen on a port that needs none", perCall(20, plain(openPort)), ""},
		{"capwise.Listen", perCall(20, listenWith(lowPort, true)), ""},
		{"a throwaway thread, as Caddy does", perCall(20, onThrowawayThread), ""},
		{"libcap's Go launcher", perCall(20, byLauncher), ""},
	})
}

// benchInjected measures what "capwise build" put behind net.Listen.
func benchInjected() error {
	subjects := []subject{
		{"net.Listen on a port that needs none", perCall(20, plain(openPort)), ""},
		{"net.Listen, raised by what is injected", perCall(20, plain(lowPort)), "target: at most 1.30"},
	}
	if err := compare("listen and close, built by capwise build", "µs", 301, subjects); err != nil {
		return err
	}
	if err := kerneltest.Refuse(unix.SYS_REBOOT, unix.EPERM); err != nil {
		return err
	}
	return compare("the same under a seccomp filter", "µs", 301, subjects)
}

// benchThreads compares with a raise on every thread of the process.
func benchThreads(threads int) error {
	defer park(threads)()
	return compare(fmt.Sprintf("the same in a process with %d more threads", threads), "µs", 5, []subject{
		{"net.Listen on a port that needs none", perCall(20, plain(openPort)), ""},
		{"capwise.Listen", perCall(20, listenWith(lowPort, true)), ""},
		{"process-wide raise by libcap's Go package", perCall(20, processWide), ""},
	})
}

// perCall returns a measurement of n calls, in microseconds per call.
func perCall(n int, fn func() error) func() (float64, error) {
	return func() (float64, error) {
		runtime.GC()
		start := time.Now()
		for range n {
			if err := fn(); err != nil {
				return 0, err
			}
		}
		return float64(time.Since(start).Nanoseconds()) / float64(n) / 1000, nil
	}
}

func plain(address string) func() error {
	return func() error {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		return ln.Close()
	}
}

func listenWith(address string, multipath bool) func() error {
	var lc capwise.ListenConfig
	if !multipath {
		lc.SetMultipathTCP(false)
	}
	return func() error {
		ln, err := lc.Listen(context.Background(), "tcp", address)
		if err != nil {
			return err
		}
		return ln.Close()
	}
}

// refusedFirst is how the peers come to raise: after a plain attempt failed.
func refusedFirst() error {
	if plain(lowPort)() == nil {
		return errors.New("the low port needs no capability here")
	}
	return nil
}

// onThrowawayThread raises on a thread that ends with its goroutine.
func onThrowawayThread() error {
	if err := refusedFirst(); err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock
		if err := setEffective(1 << unix.CAP_NET_BIND_SERVICE); err != nil {
			done <- err
			return
		}
		err := plain(lowPort)()
		done <- errors.Join(err, setEffective(0))
	}()
	return <-done
}

// setEffective replaces the effective set of the calling thread.
func setEffective(caps uint32) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	data[0].Effective = caps
	return unix.Capset(&hdr, &data[0])
}

// byLauncher raises on a thread of libcap's own.
func byLauncher() error {
	launcher := cap.FuncLauncher(func(any) error { return processWide() })
	_, err := launcher.Launch(nil)
	return err
}

// processWide raises on every thread of the process; inside libcap's launcher,
// on its thread alone.
func processWide() error {
	if err := refusedFirst(); err != nil {
		return err
	}
	caps := cap.GetProc()
	if err := errors.Join(caps.SetFlag(cap.Effective, true, cap.NET_BIND_SERVICE), caps.SetProc()); err != nil {
		return err
	}
	err := plain(lowPort)()
	return errors.Join(err, caps.SetFlag(cap.Effective, false, cap.NET_BIND_SERVICE), caps.SetProc())
}

// park keeps n more OS threads in the process until stop is called.
func park(n int) (stop func()) {
	var ready sync.WaitGroup
	quit := make(chan struct{})
	ready.Add(n)
	for range n {
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			ready.Done()
			<-quit
		}()
	}
	ready.Wait()
	return func() { close(quit) }
}
