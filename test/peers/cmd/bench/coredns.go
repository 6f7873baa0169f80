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
func benchCoreDNS(dir, injected, plain string) error {
	coredns := kind{serveDNS, dir, 16, queries}
	err := compare("from exec to the first answer", "ms", 101, []subject{
		coredns.start("CoreDNS, built plainly", plain, ""),
		coredns.start("CoreDNS, by capwise build", injected, "target: 1.00"),
	})
	if err != nil {
		return err
	}
	return compare("whoami over UDP, 16 sockets", "queries/s", 7, []subject{
		coredns.rate("CoreDNS, built plainly", plain, ""),
		coredns.rate("CoreDNS, by capwise build", injected, "target: 1.00"),
	})
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

// serveDNS starts CoreDNS on a loopback port, with its Corefile in the folder, and
// returns when it has answered.
func serveDNS(binary, dir string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
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
