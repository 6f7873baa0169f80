package law

import (
	"fmt"
	"strconv"
	"strings"
)

// The set-id rule changed somewhere between these two, as far as this project
// has booted kernels: 6.12.117 had the old one, 6.18.44 the new one.
var (
	lastOldRule  = [2]int{6, 12}
	firstNewRule = [2]int{6, 18}
)

// firstPortStart is the first release with net.ipv4.ip_unprivileged_port_start
// (4548b683b781, "Introduce a sysctl that modifies the value of PROT_SOCK").
var firstPortStart = [2]int{4, 11}

// KernelOf returns what a kernel of the release does, such as "6.1.0-49-amd64",
// with its default settings. sure is false between the releases in which a rule
// changed; then it is taken for the newer. The error names the input.
func KernelOf(release string) (k Kernel, sure bool, err error) {
	major, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	x, errX := strconv.Atoi(major)
	y, errY := strconv.Atoi(rest[:end])
	if errX != nil || errY != nil {
		return Kernel{}, false, fmt.Errorf("kernel release %q: want two numbers, such as 6.1", release)
	}
	switch v := [2]int{x, y}; {
	case !less(lastOldRule, v):
		return Kernel{SetID: SetIDByReal, NoPortStart: less(v, firstPortStart)}, true, nil
	case less(v, firstNewRule):
		return Kernel{}, false, nil
	default:
		return Kernel{}, true, nil
	}
}

func less(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }
