package law

import "github.com/capwise/capwise/capset"

// Network is the network namespace that a socket was made in.
type Network struct {
	// PortStart is net.ipv4.ip_unprivileged_port_start of the namespace; it
	// holds for IPv6 too.
	PortStart int
	Owner     Owner
}

// Owner says which user namespace owns a network namespace, as seen from a
// task.
type Owner uint8

const (
	// OwnerSelf is the task's own user namespace.
	OwnerSelf Owner = iota
	// OwnerInside is one inside the task's own.
	OwnerInside
	// OwnerInsideByUser is one inside the task's own that a child of it lies on
	// the way to, which the task's effective user id made. Its maker has every
	// capability in it.
	OwnerInsideByUser
	// OwnerForeign is one around the task's own, or beside it. The task's
	// capabilities count for nothing there.
	OwnerForeign
)

// Binding is what bind(2) comes to.
type Binding struct {
	Errno Errno
	// Needs says that the port asks for CAP_NET_BIND_SERVICE in this namespace.
	Needs bool
	Rules Rules
}

// DefaultPortStart is what net.ipv4.ip_unprivileged_port_start is in a new
// network namespace (inet_init_net in net/ipv4/af_inet.c).
const DefaultPortStart = 1024

// Bind is whether task t may bind a TCP or UDP socket to the port: __inet_bind
// of net/ipv4/af_inet.c, __inet6_bind of net/ipv6/af_inet6.c, and cap_capable of
// security/commoncap.c. Only the effective set counts here; ask again with
// [Task.Raise] for a program that raises what it is permitted.
func Bind(t Task, n Network, port int) Binding {
	const c = capset.NetBindService
	switch {
	case port == 0:
		return Binding{Rules: 1 << PortAny}
	case port >= n.PortStart:
		return Binding{Rules: 1 << PortOpen}
	case n.Owner == OwnerForeign:
		return Binding{Errno: EACCES, Needs: true, Rules: 1 << PortForeignNetwork}
	case n.Owner == OwnerInsideByUser:
		return Binding{Needs: true, Rules: 1 << PortNetworkMaker}
	case t.Effective.Has(c):
		return Binding{Needs: true, Rules: 1 << PortEffective}
	default:
		return Binding{Errno: EACCES, Needs: true, Rules: 1 << PortNotEffective}
	}
}

// Raise returns t after capset(2) has made effective what of the set is
// permitted. The kernel allows that always (cap_capset).
func (t Task) Raise(s capset.Set) Task {
	t.Effective |= s & t.Permitted
	return t
}
