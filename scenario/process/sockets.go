package process

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// socket is a socket that waits for peers.
type socket struct {
	inode   string
	network string
	address netip.AddrPort
}

// states of a socket in /proc/net (include/net/tcp_states.h).
const (
	stateListen = "0A"
	stateClose  = "07" // of a UDP socket: not connected
)

// parseSockets reads the text of /proc/PID/net/tcp, tcp6, udp or udp6 (proc_net(5));
// network is "tcp" or "udp". An error names the line.
func parseSockets(text, network string) ([]socket, error) {
	state := stateListen
	if network == "udp" {
		state = stateClose
	}
	var sockets []socket
	number := 0
	for line := range strings.Lines(text) {
		number++
		f := strings.Fields(line)
		if number == 1 || len(f) == 0 { // the names of the columns
			continue
		}
		if len(f) < 10 {
			return nil, fmt.Errorf("sockets of %s, line %d: %d fields", network, number, len(f))
		}
		address, err := parseAddress(f[1])
		if err != nil {
			return nil, fmt.Errorf("sockets of %s, line %d: %w", network, number, err)
		}
		if f[3] == state && address.Port() != 0 {
			sockets = append(sockets, socket{inode: f[9], network: network, address: address})
		}
	}
	return sockets, nil
}

// parseAddress reads ADDRESS:PORT in hexadecimal digits, the address as words in
// the machine's order.
func parseAddress(text string) (netip.AddrPort, error) {
	digits, port, _ := strings.Cut(text, ":")
	words, err := hex.DecodeString(digits)
	if err != nil || len(words) != 4 && len(words) != 16 {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address", text)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q has no port", text)
	}
	for i := 0; i < len(words); i += 4 {
		binary.BigEndian.PutUint32(words[i:], binary.NativeEndian.Uint32(words[i:]))
	}
	address, _ := netip.AddrFromSlice(words)
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), nil
}

// String returns the address as a program would give it, without the address
// where it is any.
func (s socket) String() string {
	if s.address.Addr().IsUnspecified() {
		return ":" + strconv.Itoa(int(s.address.Port()))
	}
	return s.address.String()
}
