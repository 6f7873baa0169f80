package kernelcheck

import (
	"fmt"

	"github.com/capwise/capwise/law"
)

// Ids of the cases. Those of a room are seen from its user namespace.
const (
	root  = 0
	user  = 1001
	other = 1002
	group = 1011 // of tasks
	extra = 1012 // another, of files and of tasks
	guest = 1013 // of files alone
)

// namespace is a user namespace, as the ids that it has seen from the initial
// one. Each but the initial has the one before it as parent.
type namespace struct {
	name  string
	first uint32 // the id outside of its root
	count uint32
}

// The user namespaces that an agent can be in.
var (
	initial    = namespace{name: "initial", count: 1 << 31}
	child      = namespace{"child", 100000, 200000}
	grandchild = namespace{"grandchild", 200000, 50000}
)

// A root id that is root of no user namespace.
const noRoot = 400000

// inside translates an id of the initial user namespace.
func (n namespace) inside(id uint32) (uint32, bool) {
	return id - n.first, id >= n.first && id-n.first < n.count
}

// outside is the reverse of inside.
func (n namespace) outside(id uint32) uint32 { return n.first + id }

// room is where an agent is, and so all of its cases.
type room struct {
	name       string
	namespace  namespace
	above      []namespace // around its own, the initial one first
	prepare    []string    // the agent's arguments
	network    law.Network
	networkFor func(creds) law.Owner // instead of network.Owner, where that depends
}

func enter(n namespace, parent namespace) string {
	return fmt.Sprintf("userns:%d:%d", n.first-parent.first, n.count)
}

// bounding is an agent's argument that reduces its bounding set to the
// capabilities that cases are about.
var bounding = fmt.Sprintf("bounding:%x", uint64(universe))

// The rooms of the cases of execve(2).
var (
	inInitial = room{name: "initial", namespace: initial, prepare: []string{bounding}}
	inChild   = room{
		name: "child", namespace: child, above: []namespace{initial},
		prepare: []string{enter(child, initial), bounding},
	}
	inGrandchild = room{
		name: "grandchild", namespace: grandchild, above: []namespace{initial, child},
		prepare: []string{enter(child, initial), enter(grandchild, child), bounding},
	}
)

// owns reports whether root id, seen from the initial user namespace, is root of
// the room's own or of one around it.
func (r room) owns(rootID uint32) bool {
	if rootID == r.namespace.first {
		return true
	}
	for _, n := range r.above {
		if rootID == n.first {
			return true
		}
	}
	return false
}
