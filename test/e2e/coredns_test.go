package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// host is whom the certificate is for.
const host = "capwise.test"

// TestDNS serves each protocol on its low port as a user without privileges, to
// clients that have nothing to do with CoreDNS; and then no thread of the server
// has a capability in effect.
func TestDNS(t *testing.T) {
	need(t, append(plainNeeds, "dig")...)
	certificate, roots := newCertificate(t)
	withTLS := "tls " + certificate + " " + filepath.Join(filepath.Dir(certificate), "key.pem")
	s := startPlain(t, coredns, get(t, corednsPermitted), strings.Join([]string{
		serverBlock(".:53", "capwise over DNS"),
		serverBlock("tls://.:853", "capwise over TLS", withTLS),
		serverBlock("https://.:443", "capwise over HTTPS", withTLS),
		serverBlock("https3://.:443", "capwise over HTTP/3", withTLS),
		serverBlock("quic://.:853", "capwise over QUIC", withTLS),
	}, ""))
	s.ask(t, 53) // wait until it serves
	verified := []string{"+tls-ca=" + certificate, "+tls-hostname=" + host}
	for _, test := range []struct {
		row, want string
		options   []string
	}{
		{"udp/53", "capwise over DNS", []string{"+notcp"}},
		{"tcp/53", "capwise over DNS", []string{"+tcp"}},
		{"TLS on tcp/853", "capwise over TLS", append([]string{"+tls"}, verified...)},
		{"HTTPS on tcp/443", "capwise over HTTPS", append([]string{"+https"}, verified...)},
	} {
		t.Run(test.row, func(t *testing.T) {
			results.report(t, "DNS over "+test.row+", dig /65532", "plain")
			if got, want := s.dig(t, test.options...), test.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	for _, test := range []struct {
		row, want string
		ask       func() (string, error)
	}{
		{"HTTP/3 on udp/443", "capwise over HTTP/3", func() (string, error) { return askHTTP3(s.network, certificate) }},
		{"QUIC on udp/853", "capwise over QUIC", func() (string, error) { return askQUIC(s.network, roots) }},
	} {
		t.Run(test.row, func(t *testing.T) {
			results.report(t, "DNS over "+test.row+", quic-go /65532", "plain")
			got, err := test.ask()
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Run("threads", func(t *testing.T) {
		results.report(t, "coredns, no thread has a capability in effect /65532", "plain")
		noneEffective(t, s.cmd.Process.Pid)
	})
}

// dig asks the server by the real one.
func (s *plain) dig(t *testing.T, options ...string) string {
	t.Helper()
	argv := append([]string{"--net=" + s.network, "dig", "@127.0.0.1", "+short", "+time=10", "+tries=1", question, "TXT"}, options...)
	out, err := exec.Command("nsenter", argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("nsenter %s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return strings.Trim(string(out), "\"\n")
}

// newCertificate makes a certificate that is its own authority. It returns its
// file, beside which lies key.pem, and the pool with it.
func newCertificate(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	dir := configDir(t, "cert.pem", string(encoded))
	// Readable for the server, whoever it runs as.
	encodedKey := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), encodedKey, 0o644); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(encoded)
	return filepath.Join(dir, "cert.pem"), roots
}

// reloading is a Corefile that CoreDNS looks at again every two seconds, which is
// as often as it does.
func reloading(ports ...int) string {
	var blocks []string
	for _, port := range ports {
		blocks = append(blocks, serverBlock(fmt.Sprintf(".:%d", port), served(port), "reload 2s 1s"))
	}
	return strings.Join(blocks, "")
}

// change gives the server another Corefile, in one step.
func (s *plain) change(t *testing.T, config string) {
	t.Helper()
	file := s.file(s.of.file)
	if err := os.WriteFile(file+".new", []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// TestReloadPlugin moves a running server to port 53 and back, by nothing but its
// Corefile.
func TestReloadPlugin(t *testing.T) {
	results.report(t, "coredns, reload from 1053 to 53 and back /65532", "plain")
	need(t, plainNeeds...)
	s := startPlain(t, coredns, get(t, corednsPermitted), reloading(1053))
	for _, ports := range [][]int{{1053}, {53}, {53, 1053}, {1053}} {
		s.change(t, reloading(ports...))
		for _, port := range ports {
			if got, want := s.ask(t, port), served(port); got != want {
				t.Errorf("served %q, want %q", got, want)
			}
		}
		noneEffective(t, s.cmd.Process.Pid)
	}
	s.closes(t, 53)
}

// closes waits until the server listens on a port no more.
func (s *plain) closes(t *testing.T, port int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		answer, err := s.of.ask(s.network, fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("port %d still answers: %q, %v", port, answer, err)
		}
	}
}

// TestReloadPluginRefused moves a server that may not bind port 53 there. It has
// to go on with what it has, and to explain itself in its log.
func TestReloadPluginRefused(t *testing.T) {
	results.report(t, "coredns, reload to 53, not allowed: explained, the old goes on /65532", "plain")
	need(t, plainNeeds...)
	s := startPlain(t, coredns, get(t, corednsPermitted), reloading(1053), "--no-new-privs")
	s.ask(t, 1053)
	s.change(t, reloading(53))
	s.explains(t, coredns, append(wording(lostToNNP, 53), "[ERROR] plugin/reload", "remedy: ")...)
	if got, want := s.ask(t, 1053), served(1053); got != want {
		t.Errorf("served %q, want %q", got, want)
	}
}
