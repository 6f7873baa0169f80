package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// benchCoreDNS compares a CoreDNS built by "capwise build" with a plain one.
func benchCoreDNS(_, injected, plain string) error {
	row := func(name, binary string, measure func(binary string) (float64, error), target string) subject {
		return subject{name, func() (float64, error) { return measure(binary) }, target}
	}
	err := compare("from exec to the first answer", "ms", 101, []subject{
		row("CoreDNS, built plainly", plain, firstAnswer, ""),
		row("CoreDNS, by capwise build", injected, firstAnswer, "target: 1.00"),
	})
	if err != nil {
		return err
	}
	return compare("whoami over UDP, 16 sockets", "queries/s", 7, []subject{
		row("CoreDNS, built plainly", plain, queryRate, ""),
		row("CoreDNS, by capwise build", injected, queryRate, "target: 1.00"),
	})
}

// firstAnswer returns the milliseconds from exec to the first answer.
func firstAnswer(binary string) (ms float64, err error) {
	start := time.Now()
	s, err := serveDNS(binary)
	if err != nil {
		return 0, err
	}
	ms = float64(time.Since(start).Microseconds()) / 1000
	return ms, s.stop()
}

// queryRate returns the queries per second over two seconds, of clients that each
// wait for their answer.
func queryRate(binary string) (rate float64, err error) {
	s, err := serveDNS(binary)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return s.load(16, queries)
}

func queries(address string, until time.Time, count *atomic.Int64) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for id := uint16(1); time.Now().Before(until); id++ {
		if err := query(conn, id, time.Second); err != nil {
			return err
		}
		count.Add(1)
	}
	return nil
}

// query asks for the address of "x.", and wants an answer without an error.
func query(conn net.Conn, id uint16, timeout time.Duration) error {
	const header = 12
	message := binary.BigEndian.AppendUint16(nil, id)
	// No flags, one question: the name, type A, class IN.
	message = append(message, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 1, 0, 1)
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := conn.Write(message); err != nil {
		return err
	}
	var answer [512]byte
	n, err := conn.Read(answer[:])
	if err != nil {
		return err
	}
	if n < header || binary.BigEndian.Uint16(answer[:]) != id || answer[3]&0xf != 0 {
		return fmt.Errorf("answer % x", answer[:min(n, header)])
	}
	return nil
}

// serveDNS starts CoreDNS on a loopback port and returns when it has answered.
func serveDNS(binary string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "capwise-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // CoreDNS has read it by then
	corefile := filepath.Join(dir, "Corefile")
	text := fmt.Sprintf(".:%d {\n\tbind 127.0.0.1\n\twhoami\n}\n", port)
	if err := os.WriteFile(corefile, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s := &server{address: fmt.Sprintf("127.0.0.1:%d", port), cmd: exec.Command(binary, "-conf", corefile)}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Microsecond) {
		conn, err := net.Dial("udp", s.address)
		if err == nil {
			err = errors.Join(query(conn, 1, 50*time.Millisecond), conn.Close())
		}
		if err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("%s: %w", binary, err), s.stop())
		}
	}
}
