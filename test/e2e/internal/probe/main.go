// Probe prints the facts about itself that decide over binding a low port, one
// "name: value" a line. Tests start it in the place of a server.
//
// With arguments such as "tcp/:80" it then binds those addresses and prints what
// came of each. It raises a capability that is permitted, unless the first
// argument is "dumb".
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/capwise/capwise"
)

func main() {
	if err := report(); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
	args := os.Args[1:]
	dumb := len(args) > 0 && args[0] == "dumb"
	if dumb {
		args = args[1:]
	}
	for _, arg := range args {
		fmt.Printf("Bind %s: %s\n", arg, bind(arg, dumb))
	}
}

// bind opens and closes an address, and returns the errno's name or "ok".
func bind(arg string, dumb bool) string {
	network, address, _ := strings.Cut(arg, "/")
	listen, packet := capwise.Listen, capwise.ListenPacket
	if dumb {
		var config net.ListenConfig
		listen = func(n, a string) (net.Listener, error) { return config.Listen(context.Background(), n, a) }
		packet = func(n, a string) (net.PacketConn, error) { return config.ListenPacket(context.Background(), n, a) }
	}
	var socket io.Closer
	var err error
	if network == "udp" {
		socket, err = packet(network, address)
	} else {
		socket, err = listen(network, address)
	}
	if err == nil {
		err = socket.Close()
	}
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.EACCES):
		return "EACCES"
	default:
		return err.Error()
	}
}

func report() error {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		name, _, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "Uid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp":
			fmt.Println(strings.ReplaceAll(lines.Text(), "\t", " "))
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return err
	}
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return err
	}
	const stNosuid = 2 // ST_NOSUID of statvfs(3)
	var mount syscall.Statfs_t
	if err := syscall.Statfs("/proc/self/exe", &mount); err != nil {
		return err
	}
	fmt.Printf("Nosuid: %t\n", mount.Flags&stNosuid != 0)
	fmt.Printf("PortStart: %s", start)
	fmt.Printf("UidMap: %s\n", strings.Join(strings.Fields(string(uids)), " "))
	return nil
}
