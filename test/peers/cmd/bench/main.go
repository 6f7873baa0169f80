// Command bench measures capwise beside its peers, on this machine and in one
// run, and prints medians and ratios. "make bench" runs it.
//
//	bench bind                       bind latency
//	bench injected                   the same, of a bench built by "capwise build"
//	bench caddy OURS UPSTREAM        start-up and requests per second
//	bench coredns INJECTED PLAIN     start-up and queries per second
//	bench launch LAUNCHER CAPWISE    what a launcher adds to a start
//
// The subjects of one table take turns in short rounds, in one order and in the
// other, and each ratio is that of the rounds' medians: what slows the machine for
// a while slows all of them. It must run as root: it starts itself again as an unprivileged user
// whose file has CAP_NET_BIND_SERVICE permitted, in a network namespace of its
// own.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "bind":
		return restart("bind-here")
	case len(args) == 1 && args[0] == "bind-here":
		return benchBind()
	case len(args) == 1 && args[0] == "injected":
		return restart("injected-here")
	case len(args) == 1 && args[0] == "injected-here":
		return benchInjected()
	case len(args) == 3 && args[0] == "caddy":
		return copies(args[1], args[2], benchCaddy)
	case len(args) == 3 && args[0] == "coredns":
		return copies(args[1], args[2], benchCoreDNS)
	case len(args) == 3 && args[0] == "launch":
		return benchLaunch(args[1], args[2])
	default:
		return fmt.Errorf("arguments %q: want bind or injected, or caddy, coredns or launch and the paths of two binaries", args)
	}
}
