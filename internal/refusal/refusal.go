// Package refusal says in one line why the kernel refused a bind with EACCES, and
// what to change, in the words of package diagnose. Package overlay builds it into
// package net, which can import neither that package nor the law: the answers are
// in a table that is made from both (a test compares all of it).
package refusal

import (
	"strconv"
	"strings"

	"github.com/capwise/capwise/internal/environ"
)

// The facts that decide, by their place in [facts]. Each has as many values as
// sizes says; of two, 1 is yes.
const (
	isEnvironment = iota // index of environments
	isOwner              // of the network namespace: unknown, own, foreign
	isLow                // the port is below net.ipv4.ip_unprivileged_port_start
	isPermitted          // CAP_NET_BIND_SERVICE is
	isBounding           // it is in the bounding set
	isNoNewPrivs         // no_new_privs is set
	isRoot               // the effective user id is 0
	isNoRoot             // SECBIT_NOROOT: that gives nothing
	isCarried            // the file permits the capability
	isOthers             // the file permits others, which are taken to be in the bounding set
	isEffective          // the file has the effective bit
	isForeign            // the file's capabilities count in another user namespace
	isNosuid             // the file is on a nosuid mount
	isSeccomp            // there is a filter
	isWrapped            // the process was started by another than the runtime
	numFacts
)

// sizes is how many values each fact has.
var sizes = [numFacts]uint8{5, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}

type facts [numFacts]uint8

// environments lists them in the order of their facts.
var environments = [...]environ.Environment{environ.PlainHost, environ.Systemd, environ.Docker, environ.Podman, environ.Kubernetes}

// leaf is the answers' offset in the numbers of nodes.
const leaf = 1 << 15

// answer is the index of a reason, and of one to three remedies, which belong
// together; the first remedy of all is none.
type answer [4]uint8

// text words the answer to the facts: nodes leads to it, a node being the index
// of a fact and the next node for each of its values.
func text(f *facts, d *details) string {
	at := uint16(root)
	for at < leaf {
		at = nodes[int(at)+1+int(f[nodes[at]])]
	}
	a := answers[at-leaf]
	out := reasons[a[0]] + "; remedy: " + remedies[a[1]]
	for _, more := range a[2:] {
		if more != 0 {
			out += ", and " + remedies[more]
		}
	}
	return d.fill(out)
}

// details is what the words are filled with.
type details struct {
	port, uid           int
	start               string // net.ipv4.ip_unprivileged_port_start
	executable, wrapper string
	carried             uint64 // what the file permits
}

// fill puts the details where their names stand.
func (d *details) fill(text string) string {
	before, rest, found := strings.Cut(text, "{")
	if !found {
		return text
	}
	name, rest, _ := strings.Cut(rest, "}")
	var value string
	switch name {
	case "needs":
		value = d.fill(needs)
	case "port":
		value = strconv.Itoa(d.port)
	case "start":
		value = d.start
	case "uid":
		value = strconv.Itoa(d.uid)
	case "wrapper":
		value = shown(d.wrapper)
	case "caps":
		value = list(d.carried)
	case "file":
		if value = shown(d.executable); value == "" {
			value = "the program's file"
		}
	}
	return before + value + d.fill(rest)
}

// shown returns a name as it is, or quoted if it could do more in a log than be
// read, such as begin a line.
func shown(name string) string {
	for _, r := range name {
		if r == '\ufffd' || !strconv.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}

// needs begins most reasons.
const needs = "port {port} needs CAP_NET_BIND_SERVICE here (net.ipv4.ip_unprivileged_port_start is {start})"

// list names the capabilities, and CAP_NET_BIND_SERVICE with them.
func list(caps uint64) string {
	out := ""
	rest := names
	for c := 0; rest != "" || caps>>c != 0; c++ {
		var name string
		if name, rest, _ = strings.Cut(rest, " "); name == "" {
			name = strconv.Itoa(c)
		} else {
			name = "cap_" + name
		}
		if (caps|1<<10)>>c&1 != 0 {
			out += "," + name
		}
	}
	return strings.TrimPrefix(out, ",")
}
