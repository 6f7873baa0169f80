package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// benchCaddy compares our Caddy with upstream's, serving a file of 1 KB.
func benchCaddy(dir, ours, upstream string) error {
	if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte(strings.Repeat("x", 1023)+"\n"), 0o644); err != nil {
		return err
	}
	caddy := kind{serve, dir, 32, requests}
	err := compare("from exec to the first response", "ms", 101, []subject{
		caddy.start("upstream Caddy", upstream, ""),
		caddy.start("our Caddy", ours, "target: at most 1.02"),
	})
	if err != nil {
		return err
	}
	return compare("1 KB file, 32 connections", "requests/s", 7, []subject{
		caddy.rate("upstream Caddy", upstream, ""),
		caddy.rate("our Caddy", ours, "target: at least 0.98"),
	})
}

// requests makes one request after another on one connection. It does no more
// with a response than its length asks for, to leave the cores to the server.
func requests(address string, until time.Time, count *atomic.Int64) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	request := []byte("GET /page.html HTTP/1.1\r\nHost: " + address + "\r\n\r\n")
	length, err := firstResponse(conn, request)
	if err != nil {
		return err
	}
	buf := make([]byte, length)
	for time.Now().Before(until) {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			return err
		}
		if string(buf[:15]) != "HTTP/1.1 200 OK" {
			return fmt.Errorf("answer %q", buf[:15])
		}
		count.Add(1)
	}
	return nil
}

// firstResponse returns the length of the whole response, which is the same
// for each request.
func firstResponse(conn net.Conn, request []byte) (int, error) {
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	counted := &countingReader{r: conn}
	resp, err := http.ReadResponse(bufio.NewReader(counted), nil)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	return counted.n, resp.Body.Close()
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// serve starts Caddy on a loopback port and returns when it has answered.
func serve(binary, dir string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{address: fmt.Sprintf("127.0.0.1:%d", port)}
	config := fmt.Sprintf("{\n\tadmin 127.0.0.1:%d\n\tpersist_config off\n}\nhttp://%s {\n\troot %s\n\tfile_server\n}\n", admin, s.address, dir)
	s.cmd = exec.Command(binary, "run", "--config", "-", "--adapter", "caddyfile")
	s.cmd.Stdin = strings.NewReader(config)
	s.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.await(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", binary, err), s.stop())
	}
	return s, nil
}

// await returns when the server has answered a request.
func (s *server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/page.html", nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			return errors.Join(err, resp.Body.Close())
		}
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(200 * time.Microsecond)
	}
}
