package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

// Listen is an address that the program will bind, or a range of ports.
type Listen struct {
	Network string `json:"network"` // "tcp" or "udp"
	Address string `json:"address"` // such as ":80"
	Port    int    `json:"port"`
	// Last is the last port of a range that begins at Port; 0 for one port.
	Last int `json:"last,omitempty"`
	// From says where it was found: "--listen", "EXPOSE of the image".
	From string `json:"from,omitempty"`
}

// NewListen returns the listen of the ports from first to last on all addresses.
func NewListen(network string, first, last int, from string) Listen {
	l := Listen{Network: network, Address: ":" + strconv.Itoa(first), Port: first, From: from}
	if last > first {
		l.Last = last
		l.Address += "-" + strconv.Itoa(last)
	}
	return l
}

// String returns the address with its network, such as "tcp :80", or the range,
// "ports 1-1023/tcp".
func (l Listen) String() string {
	if l.Last > 0 {
		return fmt.Sprintf("ports %d-%d/%s", l.Port, l.Last, l.Network)
	}
	return l.Network + " " + l.Address
}

// Parts splits a range where the kernel treats its ports differently: behind
// port 0, which stands for any, and at the first that needs no privilege.
func (l Listen) Parts(start int) []Listen {
	if l.Last == 0 {
		return []Listen{l}
	}
	var out []Listen
	first := l.Port
	for _, next := range []int{1, start, l.Last + 1} {
		if next > first && next <= l.Last+1 {
			out = append(out, NewListen(l.Network, first, next-1, l.From))
			first = next
		}
	}
	return out
}

// Parts are the listens of a start, with ranges split as [Listen.Parts] does it.
func (s *Start) Parts(start int) []Listen {
	var out []Listen
	for _, l := range s.Listens {
		out = append(out, l.Parts(start)...)
	}
	return out
}

// portKey is what two listens are the same by.
type portKey struct {
	network     string
	first, last int
}

// AddListen adds an address unless the port is there already.
func (s *Start) AddListen(l Listen) {
	if s.listening == nil {
		s.listening = map[portKey]bool{}
		for _, have := range s.Listens {
			s.listening[portKey{have.Network, have.Port, have.Last}] = true
		}
	}
	key := portKey{l.Network, l.Port, l.Last}
	if !s.listening[key] {
		s.listening[key] = true
		s.Listens = append(s.Listens, l)
	}
}

// ParseExposed reads a port as images expose it: "80", "80/tcp", "53/udp", or a
// range, "8000-8010/tcp".
func ParseExposed(text string) (Listen, error) {
	ports, network, _ := strings.Cut(text, "/")
	if network == "" {
		network = "tcp"
	}
	first, last, err := ParsePorts(ports)
	if err != nil {
		return Listen{}, err
	}
	return NewListen(network, first, last, ""), nil
}

// ParsePorts reads a port or a range of ports, such as "80" or "8000-8010".
func ParsePorts(text string) (first, last int, err error) {
	low, high, isRange := strings.Cut(text, "-")
	if first, err = portNumber(low); err != nil || !isRange {
		return first, first, err
	}
	if last, err = portNumber(high); err == nil && last < first {
		err = fmt.Errorf("range %s ends before it begins", text)
	}
	return first, last, err
}

func portNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port number", text)
	}
	return int(n), nil
}
