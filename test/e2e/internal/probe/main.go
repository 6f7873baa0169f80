// Probe prints the facts about itself that decide over binding a low port, one
// "name: value" a line. Tests start it in the place of a server.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := report(); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
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
	fmt.Printf("PortStart: %s", start)
	fmt.Printf("UidMap: %s\n", strings.Join(strings.Fields(string(uids)), " "))
	return nil
}
