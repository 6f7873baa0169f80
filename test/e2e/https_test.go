package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/capwise/capwise/test/e2e/internal/netns"
)

const httpsCaddyfile = `{
	admin off
	skip_install_trust
	storage file_system $DIR/storage
}
https://capwise.test {
	tls internal
	respond "capwise over {http.request.proto}"
}
`

// TestHTTPS serves on 80 (the redirect), tcp/443 and udp/443 as a user without
// privileges, to clients that have nothing to do with Caddy; and then no
// thread of the server has a capability in effect.
func TestHTTPS(t *testing.T) {
	need(t, append(plainNeeds, "curl")...)
	s := startPlain(t, caddy, get(t, caddyPermitted), httpsCaddyfile)
	root := s.file("storage/pki/authorities/local/root.crt")
	t.Run("curl", func(t *testing.T) {
		results.report(t, "HTTPS on tcp/443, curl /65532", "plain")
		if got, want := s.curl(t, root, "https://capwise.test/"), "capwise over HTTP/2.0"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("redirect", func(t *testing.T) {
		results.report(t, "redirect on tcp/80, curl /65532", "plain")
		if got, want := s.curl(t, root, "--location", "http://capwise.test/"), "capwise over HTTP/2.0"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("quic-go", func(t *testing.T) {
		results.report(t, "HTTP/3 on udp/443, quic-go /65532", "plain")
		got, err := getHTTP3(s.network, root, "https://capwise.test/")
		if err != nil {
			t.Fatal(err)
		}
		if want := "capwise over HTTP/3.0"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("threads", func(t *testing.T) {
		results.report(t, "no thread has a capability in effect /65532", "plain")
		noneEffective(t, s.cmd.Process.Pid)
	})
}

// curl runs the real one in the server's network, and again while the server
// does not answer yet.
func (s *plain) curl(t *testing.T, root string, args ...string) string {
	t.Helper()
	argv := append([]string{
		"--net=" + s.network, "curl", "--fail", "--silent", "--show-error", "--max-time", "10", "--cacert", root,
		"--resolve", "capwise.test:443:127.0.0.1", "--resolve", "capwise.test:80:127.0.0.1",
	}, args...)
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("nsenter", argv...).CombinedOutput()
		if err == nil {
			return string(out)
		}
		if time.Now().After(deadline) {
			t.Fatalf("nsenter %s: %v: %s", strings.Join(argv, " "), err, out)
		}
	}
}

// quicSender returns a client's end of QUIC inside of a network namespace, and what
// closes it.
func quicSender(network string) (*quic.Transport, func(), error) {
	var socket net.PacketConn
	err := netns.Do(network, func() (err error) {
		socket, err = net.ListenPacket("udp4", "127.0.0.1:0")
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	sender := &quic.Transport{Conn: socket}
	return sender, func() { _ = sender.Close(); _ = socket.Close() }, nil // nothing is sent any more
}

// getHTTP3 fetches a page from 127.0.0.1:443 over QUIC, from inside of a network
// namespace.
func getHTTP3(network, root, url string) (string, error) {
	pem, err := os.ReadFile(root)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	sender, closeSender, err := quicSender(network)
	if err != nil {
		return "", err
	}
	defer closeSender()
	client := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			return sender.DialEarly(ctx, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}, tlsConfig, config)
		},
	}
	defer func() { _ = client.Close() }() // likewise
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.RoundTrip(request)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // all of it has been read, or err says why not
	return string(body), err
}

// noneEffective checks that the capability is permitted to every thread of the
// process, and in effect for none.
func noneEffective(t *testing.T, pid int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("threads of %d: %v, %v", pid, files, err)
	}
	for _, file := range files {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		for _, want := range []string{"CapPrm:\t0000000000000400\n", "CapEff:\t0000000000000000\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s has no %q:\n%s", file, want, status)
			}
		}
	}
	t.Logf("%d threads", len(files))
}
