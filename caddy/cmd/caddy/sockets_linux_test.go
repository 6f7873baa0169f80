package main_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// openSockets returns the sockets that wait for clients in the network of the
// process, as the kernel lists them: "tcp 127.0.0.1:80", "udp *:443" (* is any
// address), "unix @name".
func openSockets(t testing.TB, pid int) []string {
	t.Helper()
	var all []string
	for _, table := range []struct{ name, state string }{
		{"tcp", "0A"}, {"tcp6", "0A"}, // TCP_LISTEN
		{"udp", "07"}, {"udp6", "07"}, // TCP_CLOSE: without a peer
	} {
		for _, fields := range procNet(t, pid, table.name) {
			if len(fields) > 3 && fields[3] == table.state {
				all = append(all, table.name[:3]+" "+socketAddress(t, fields[1]))
			}
		}
	}
	for _, fields := range procNet(t, pid, "unix") {
		if len(fields) == 8 && fields[3] == "00010000" { // __SO_ACCEPTCON
			all = append(all, "unix "+fields[7])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// procNet reads a table of /proc/PID/net without its heading.
func procNet(t testing.TB, pid int, name string) [][]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for i, line := range strings.Split(string(text), "\n") {
		if i > 0 && line != "" {
			rows = append(rows, strings.Fields(line))
		}
	}
	return rows
}

// socketAddress reads an address such as 0100007F:1F90: words in the order of
// the machine, which is little-endian on all that run these tests.
func socketAddress(t testing.TB, text string) string {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil || !ok {
		t.Fatalf("address %s: %v", text, err)
	}
	return endpoint(addr.String(), int(n))
}

// endpoint words an address for comparison.
func endpoint(host string, port int) string {
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "*"
	}
	return host + ":" + strconv.Itoa(port)
}
