package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/capwise/capwise/test/e2e/internal/netns"
)

// question is the name that is asked for.
const question = "served.capwise.test."

// serverBlock is a part of a Corefile that answers the question with a text.
func serverBlock(address, text string, directives ...string) string {
	directives = append(directives, "errors", fmt.Sprintf(
		`template IN TXT %s {
		answer "{{ .Name }} 0 IN TXT \"%s\""
	}`, question, text))
	return fmt.Sprintf("%s {\n\t%s\n}\n", address, strings.Join(directives, "\n\t"))
}

func newQuestion() *dns.Msg { return new(dns.Msg).SetQuestion(question, dns.TypeTXT) }

// askServed asks over udp and tcp. It returns one answer where both are the same.
func askServed(network, address string) (string, error) {
	var answers []string
	for _, protocol := range []string{"udp", "tcp"} {
		answer, err := exchange(network, protocol, address)
		if err != nil {
			return "", fmt.Errorf("%s: %w", protocol, err)
		}
		answers = append(answers, answer)
	}
	if answers[0] == answers[1] {
		return answers[0], nil
	}
	return strings.Join(answers, " "), nil
}

func exchange(network, protocol, address string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := netns.Dial(ctx, network, protocol, address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // the answer is what counts
	client := dns.Client{Timeout: 2 * time.Second}
	reply, _, err := client.ExchangeWithConnContext(ctx, newQuestion(), &dns.Conn{Conn: conn})
	if err != nil {
		return "", err
	}
	return text(reply)
}

// text is the TXT records of an answer, or else what comes with it.
func text(reply *dns.Msg) (string, error) {
	if reply.Rcode != dns.RcodeSuccess {
		return "", errors.New(dns.RcodeToString[reply.Rcode])
	}
	var parts []string
	for _, record := range reply.Answer {
		if txt, ok := record.(*dns.TXT); ok {
			parts = append(parts, txt.Txt...)
		}
	}
	if len(parts) == 0 {
		for _, record := range reply.Extra {
			parts = append(parts, record.String())
		}
	}
	return strings.Join(parts, " "), nil
}

// packedQuestion is the question without a number, for protocols in which an
// answer cannot be mixed up with another.
func packedQuestion() ([]byte, error) {
	message := newQuestion()
	message.Id = 0
	return message.Pack()
}

func packedText(answer []byte) (string, error) {
	reply := new(dns.Msg)
	if err := reply.Unpack(answer); err != nil {
		return "", err
	}
	return text(reply)
}

// askHTTP3 asks over HTTPS (RFC 8484) on QUIC.
func askHTTP3(network, root string) (string, error) {
	packed, err := packedQuestion()
	if err != nil {
		return "", err
	}
	answer, err := getHTTP3(network, root, "https://"+host+"/dns-query?dns="+base64.RawURLEncoding.EncodeToString(packed))
	if err != nil {
		return "", err
	}
	return packedText([]byte(answer))
}

// askQUIC asks over QUIC (RFC 9250), on a stream of its own.
func askQUIC(network string, roots *x509.CertPool) (string, error) {
	sender, closeSender, err := quicSender(network)
	if err != nil {
		return "", err
	}
	defer closeSender()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := sender.Dial(ctx, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 853},
		&tls.Config{RootCAs: roots, ServerName: host, NextProtos: []string{"doq"}}, nil)
	if err != nil {
		return "", err
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return "", err
	}
	packed, err := packedQuestion()
	if err != nil {
		return "", err
	}
	if _, err := stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)); err != nil {
		return "", err
	}
	if err := stream.Close(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(stream)
	if err != nil {
		return "", err
	}
	return packedText(answer[min(len(answer), 2):])
}
