// Package buffers is a Caddy module that gives the sockets of HTTP/3 the buffers
// that they want.
//
// QUIC wants some megabytes, and the kernel grants what the sysctls
// net.core.rmem_max and net.core.wmem_max allow, which is little, unless whoever
// asks has CAP_NET_ADMIN (socket(7), SO_RCVBUFFORCE). Where that capability is
// permitted, the module raises it on one thread for the two calls; where it is
// not, the buffers are as large as the sysctls allow, and Caddy works as without
// the module.
//
//	{
//		servers {
//			packet_conn_wrappers {
//				buffers
//			}
//		}
//	}
package buffers

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
	"go.uber.org/zap"

	"github.com/capwise/capwise"
	"github.com/capwise/capwise/capset"
)

// wanted is what quic-go warns of if it does not get it.
const wanted = 7 << 20

func init() { caddy.RegisterModule(Wrapper{}) }

// Wrapper enlarges the buffers of a packet connection.
type Wrapper struct {
	// Size is the size of either buffer, in bytes; 0 is 7 MiB. The kernel counts
	// twice of it, for its own use (socket(7)).
	Size int `json:"size,omitempty"`

	logger *zap.Logger
}

// CaddyModule implements [caddy.Module].
func (Wrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.packetconns.buffers", New: func() caddy.Module { return new(Wrapper) }}
}

// UnmarshalCaddyfile reads "buffers [SIZE]".
func (w *Wrapper) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name
	if d.NextArg() {
		size, err := humanize.ParseBytes(d.Val())
		if err != nil || size == 0 || size > most {
			return d.Errf("buffers: want a size such as 7MiB, below 1GiB, not %q", d.Val())
		}
		w.Size = int(size)
	}
	if d.NextArg() || d.NextBlock(0) {
		return d.ArgErr()
	}
	return nil
}

// most is what the kernel takes, which doubles it in 31 bits.
const most = 1<<30 - 1

// Provision implements [caddy.Provisioner].
func (w *Wrapper) Provision(ctx caddy.Context) error {
	w.logger = ctx.Logger()
	if w.Size < 0 || w.Size > most {
		return fmt.Errorf("buffers: size %d: want bytes, from 1 to %d", w.Size, most)
	}
	if w.Size == 0 {
		w.Size = wanted
	}
	return nil
}

// WrapPacketConn implements [caddy.PacketConnWrapper]. It takes Caddy's own wrappers
// off, as Caddy does where there is no module: they would keep quic-go from its
// optimizations. Those of other modules stay.
func (w *Wrapper) WrapPacketConn(pc net.PacketConn) net.PacketConn {
	own := true
	inner := pc
	for {
		outer, ok := inner.(interface{ Unwrap() net.PacketConn })
		if !ok {
			break
		}
		own = own && ofCaddy(inner)
		inner = outer.Unwrap()
		if own {
			pc = inner
		}
	}
	sizes, err := w.enlarge(inner)
	switch {
	case errors.Is(err, errors.ErrUnsupported): // and quic-go asks for what it can get
	case err != nil:
		w.logger.Warn("the buffers of a socket stay as they are", zap.Stringer("address", pc.LocalAddr()), zap.Error(err))
	default:
		w.logger.Debug("buffers", zap.Stringer("address", pc.LocalAddr()), zap.Int("receive", sizes.receive), zap.Int("send", sizes.send))
	}
	return pc
}

// ofCaddy reports whether the connection is one of package caddy's own.
func ofCaddy(pc net.PacketConn) bool {
	t := reflect.TypeOf(pc)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == reflect.TypeFor[caddy.Module]().PkgPath()
}

// sizes is what the kernel says of a socket, in bytes: twice what it was asked.
type sizes struct{ receive, send int }

func (w *Wrapper) enlarge(pc net.PacketConn) (sizes, error) {
	conn, ok := pc.(syscall.Conn)
	if !ok {
		return sizes{}, errors.New("not a socket")
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return sizes{}, err
	}
	var got sizes
	raising := capwise.Do(capset.NetAdmin, capwise.Prefer, func() error {
		var inner error
		err := raw.Control(func(fd uintptr) { got, inner = enlarge(int(fd), w.Size) })
		return errors.Join(err, inner)
	})
	return got, raising
}

// Interfaces of Caddy.
var (
	_ caddy.Provisioner       = (*Wrapper)(nil)
	_ caddy.PacketConnWrapper = (*Wrapper)(nil)
	_ caddyfile.Unmarshaler   = (*Wrapper)(nil)
)
