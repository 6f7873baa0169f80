package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// expanded is how many ports of a range are listed one by one. What binds the
// lowest port binds the others too, so of a longer range that one is enough.
const expanded = 16

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

// ports returns the ports of a range such as "80" or "8000-8010".
func ports(text, protocol, from string) ([]scenario.Listen, error) {
	network := strings.ToLower(protocol)
	switch network {
	case "tcp", "udp":
	case "sctp":
		return nil, nil // law knows nothing of it
	default:
		return nil, fmt.Errorf("unknown protocol %q", protocol)
	}
	low, high, isRange := strings.Cut(text, "-")
	first, err := portNumber(low)
	if err != nil {
		return nil, err
	}
	last := first
	if isRange {
		if last, err = portNumber(high); err != nil {
			return nil, err
		}
	}
	if last < first {
		return nil, fmt.Errorf("range %s ends before it begins", text)
	}
	if last-first >= expanded {
		last, from = first, from+" (the lowest of its range)"
	}
	var listens []scenario.Listen
	for port := first; port <= last; port++ {
		listens = append(listens, scenario.Listen{
			Network: network, Address: ":" + strconv.Itoa(port), Port: port, From: from,
		})
	}
	return listens, nil
}

func portNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port number", text)
	}
	return int(n), nil
}
