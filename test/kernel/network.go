package kernelcheck

import (
	"fmt"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/law"
)

// bindSweeps lists the sweeps of bind(2): for each way a network namespace can
// belong to a user namespace, and for several settings.
func bindSweeps() []sweep {
	var all []sweep
	for _, start := range []int{law.DefaultPortStart, 0, 80, highestPortStart} {
		for _, r := range networkRooms(start) {
			all = append(all, sweep{fmt.Sprintf("bind from %d, %s", start, r.name), r, opBind, space{
				caps: []capset.Cap{first}, uids: rootOrUser, noNewPrivs: both,
			}, ports(start), 0})
		}
	}
	return all
}

func networkRooms(start int) []room {
	port := fmt.Sprintf("port:%d", start)
	net := func(o law.Owner) law.Network { return law.Network{PortStart: start, Owner: o} }
	intoChild, intoGrandchild := enter(child, initial), enter(grandchild, child)
	inside := func(maker uint32) func(creds) law.Owner {
		return func(c creds) law.Owner {
			if c.UID[1] == maker {
				return law.OwnerInsideByUser
			}
			return law.OwnerInside
		}
	}
	word := func(maker, depth int) string { return fmt.Sprintf("inside:%d:%d", maker, depth) }
	return []room{
		{name: "own network", namespace: initial, network: net(law.OwnerSelf), prepare: []string{"netns", port, bounding}},
		{name: "child with its own network", namespace: child, network: net(law.OwnerSelf), prepare: []string{intoChild, "netns", port, bounding}},
		{name: "child on its parent's network", namespace: child, network: net(law.OwnerForeign), prepare: []string{"netns", port, intoChild, bounding}},
		{name: "grandchild on its parent's network", namespace: grandchild, network: net(law.OwnerForeign), prepare: []string{intoChild, "netns", port, intoGrandchild, bounding}},
		{name: "grandchild on the initial network", namespace: grandchild, network: net(law.OwnerForeign), prepare: []string{"netns", port, intoChild, intoGrandchild, bounding}},
		{name: "child on its sibling's network", namespace: child, network: net(law.OwnerForeign), prepare: []string{word(root, 1), port, intoChild, bounding}},
		{name: "network of a child of root", namespace: initial, network: net(0), networkFor: inside(root), prepare: []string{word(root, 1), port, bounding}},
		{name: "network of a child of the user", namespace: initial, network: net(0), networkFor: inside(user), prepare: []string{word(user, 1), port, bounding}},
		{name: "network of a grandchild of the user", namespace: initial, network: net(0), networkFor: inside(user), prepare: []string{word(user, 2), port, bounding}},
		{name: "child, network of a child of the user", namespace: child, network: net(0), networkFor: inside(user), prepare: []string{intoChild, word(user, 1), port, bounding}},
	}
}

// highestPortStart is the highest that the kernel takes while the ports that it
// hands out itself start there (ipv4_privileged_ports of net/ipv4/sysctl_net_ipv4.c).
const highestPortStart = 32768
