package process

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/capwise/capwise/internal/sys"
	"github.com/capwise/capwise/scenario"
)

// network is whose network namespace the process is in, and which ports are
// privileged there.
func (r *reader) network() {
	s := &r.start.Settings
	mine := sys.NetworkNamespace()
	its, err := os.Readlink(r.path("ns/net"))
	if err != nil {
		r.start.Note(fmt.Sprintf("cannot determine its network namespace (%v); assuming capwise's own", err))
		its = mine
	}
	s.Network = scenario.NetworkPrivate
	if its == firstNetwork() {
		s.Network = scenario.NetworkHost
	}
	r.owner()
	start, err := portStart(r.path("ns/net"), its == mine)
	if err != nil {
		r.start.Note(fmt.Sprintf("cannot determine ip_unprivileged_port_start of its network (%v); assuming what %s sets", err, s.Runtime.Name))
		return
	}
	s.PortStart = start
}

// firstNetwork identifies the network of the machine's, or the container's, first
// process, and that of the reader where it does not show.
func firstNetwork() string {
	if name, err := os.Readlink("/proc/1/ns/net"); err == nil {
		return name
	}
	return sys.NetworkNamespace()
}

// owner finds out whether the process's capabilities count in its network: they
// do if its user namespace owns it, or one inside.
func (r *reader) owner() {
	s := &r.start.Settings
	user, err := os.Readlink(r.path("ns/user"))
	if err != nil {
		return // noted with the network
	}
	owners, err := sys.NamespaceOwners(r.path("ns/net"))
	if err != nil {
		r.start.Note(fmt.Sprintf("cannot determine who owns its network (%v); assuming its own user namespace", err))
		return
	}
	if contains(owners, user) {
		if own, err := os.Readlink("/proc/self/ns/user"); err == nil && own != user {
			s.UserNamespace, s.Network = true, scenario.NetworkPrivate
		}
		return
	}
	// Foreign, in the words of Settings.
	s.UserNamespace, s.Network = true, scenario.NetworkHost
}

// contains reports whether a user namespace, as its link has it, is in the list.
func contains(owners []uint64, link string) bool {
	for _, inode := range owners {
		if link == "user:["+strconv.FormatUint(inode, 10)+"]" {
			return true
		}
	}
	return false
}

// portStart reads net.ipv4.ip_unprivileged_port_start of a network namespace. For
// another than the reader's it goes there, on a thread that ends with it.
func portStart(network string, mine bool) (int, error) {
	if mine {
		return readPortStart()
	}
	type answer struct {
		start int
		err   error
	}
	done := make(chan answer)
	go func() {
		var a answer
		runtime.LockOSThread()
		if syscall.Gettid() == os.Getpid() {
			// Go's main thread never ends, and in /proc it stands for the process. While
			// it is locked here, another goroutine is on another thread.
			a.start, a.err = portStart(network, false)
			runtime.UnlockOSThread()
		} else if a.err = sys.EnterNetwork(network); a.err == nil { // never unlocked
			a.start, a.err = readPortStart()
		}
		done <- a
	}()
	a := <-done
	return a.start, a.err
}

// readPortStart reads it in the network namespace of the calling thread.
func readPortStart() (int, error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
