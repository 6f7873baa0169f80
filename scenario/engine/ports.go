package engine

import (
	"fmt"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// Published returns what the program is expected to bind inside when a port is
// published as text says: [[IP:]HOST_PORT:]CONTAINER_PORT[/PROTOCOL], where a
// port may be a range. The result's From is from.
func Published(text, from string) ([]scenario.Listen, error) {
	spec, protocol, given := strings.Cut(text, "/")
	if !given {
		protocol = "tcp"
	}
	port := spec
	if i := strings.LastIndexByte(spec, ':'); i >= 0 {
		port = spec[i+1:]
	}
	listens, err := ports(port, protocol, from)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", text, err)
	}
	return listens, nil
}

// Exposed returns what the program is expected to bind when it is said to
// expose PORT[-PORT][/PROTOCOL].
func Exposed(text, from string) ([]scenario.Listen, error) {
	if strings.Contains(text, ":") {
		return nil, fmt.Errorf("port %q: want PORT[/PROTOCOL]", text)
	}
	return Published(text, from)
}

// ports returns the ports of a range such as "80" or "8000-8010". What nobody
// judges, sctp, is none.
func ports(text, protocol, from string) ([]scenario.Listen, error) {
	network := strings.ToLower(protocol)
	switch network {
	case "tcp", "udp":
	case "sctp":
		return nil, nil // law knows nothing of it
	default:
		return nil, fmt.Errorf("unknown protocol %q", protocol)
	}
	first, last, err := scenario.ParsePorts(text)
	if err != nil {
		return nil, err
	}
	return []scenario.Listen{scenario.NewListen(network, first, last, from)}, nil
}
