// Package capwise lets a server listen on low ports without root and without
// dying where it may not.
//
// The program's file carries CAP_NET_BIND_SERVICE as permitted only:
//
//	setcap cap_net_bind_service=p /usr/local/bin/server
//
// [Listen], [ListenPacket] and [ListenConfig] are those of package net, with
// one addition: where the kernel refuses a bind with EACCES and the capability
// is permitted but not effective, they raise it on one OS thread, bind again,
// and lower it. Where it is not permitted, the error is a [*BindError], which
// says which condition failed and what to change. With the capability dropped
// everywhere the program still starts, and binds any port that needs none.
//
// [Do] raises any other capability for the duration of a function.
//
// On systems other than Linux the functions are those of package net.
package capwise

import (
	"context"
	"net"
)

// Listen announces on the local network address like [net.Listen], raising
// CAP_NET_BIND_SERVICE for the bind if that is needed and permitted; see
// [ListenConfig.Listen].
func Listen(network, address string) (net.Listener, error) {
	var lc ListenConfig
	return lc.Listen(context.Background(), network, address)
}

// ListenPacket announces on the local network address like [net.ListenPacket];
// see [ListenConfig.ListenPacket].
func ListenPacket(network, address string) (net.PacketConn, error) {
	var lc ListenConfig
	return lc.ListenPacket(context.Background(), network, address)
}

// ListenConfig has the fields and methods of [net.ListenConfig] and can be
// used in its place.
//
// Control may be called more often than once: for the first attempt, and again
// for the socket of the raised one. It never runs with the capability raised.
type ListenConfig net.ListenConfig

// Listen announces on the local network address. It is [net.ListenConfig.Listen]
// unless bind(2) fails with EACCES for a TCP port. Then:
//
//   - If CAP_NET_BIND_SERVICE is permitted and not effective, Listen raises it
//     on one OS thread that no other goroutine uses meanwhile, binds a new
//     socket, and lowers it before it returns. The capability is effective on
//     that thread only, from just before bind(2) until listen(2) has returned.
//   - If lowering fails, which takes a seccomp filter that refuses it, nothing
//     runs with the capability: a thread of this package's own ends, the socket
//     is closed, and the error wraps a [*RaiseError]; on the caller's thread the
//     process ends. [Do] says which it is.
//   - If the bind may not succeed, the error is a [*net.OpError] that wraps a
//     [*BindError], which wraps the original [*os.SyscallError]:
//     errors.Is(err, syscall.EACCES) and errors.Is(err, fs.ErrPermission) hold.
//
// Any other error, such as EADDRINUSE, is returned as it is, and nothing is
// raised. Listen works from any number of goroutines at once, with and without
// cgo. It does not change what child processes inherit.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	ln, err := (*net.ListenConfig)(lc).Listen(ctx, network, address)
	if refused := refusedBind(err); refused != nil {
		return listenRaised(ctx, lc, refused, func(plain *net.ListenConfig) (net.Listener, error) {
			return plain.Listen(ctx, network, address)
		})
	}
	return ln, err
}

// ListenPacket announces on the local network address. It is
// [net.ListenConfig.ListenPacket] unless bind(2) fails with EACCES for a UDP
// port; then it does what [ListenConfig.Listen] does.
func (lc *ListenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	pc, err := (*net.ListenConfig)(lc).ListenPacket(ctx, network, address)
	if refused := refusedBind(err); refused != nil {
		return listenRaised(ctx, lc, refused, func(plain *net.ListenConfig) (net.PacketConn, error) {
			return plain.ListenPacket(ctx, network, address)
		})
	}
	return pc, err
}

// MultipathTCP is [net.ListenConfig.MultipathTCP].
func (lc *ListenConfig) MultipathTCP() bool {
	return (*net.ListenConfig)(lc).MultipathTCP()
}

// SetMultipathTCP is [net.ListenConfig.SetMultipathTCP].
func (lc *ListenConfig) SetMultipathTCP(use bool) {
	(*net.ListenConfig)(lc).SetMultipathTCP(use)
}
