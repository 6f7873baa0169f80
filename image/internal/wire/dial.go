package wire

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
)

// reach says from where an address can be reached.
type reach int

const (
	public reach = iota
	private
	linkLocal
	loopback
	nowhere // what no registry is on
)

func (r reach) String() string {
	return [...]string{"public", "private", "link-local", "loopback", "special"}[r]
}

// sharedSpace is that of carriers (RFC 6598), and metadata of some clouds.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// embedded are prefixes of addresses that hold one of IPv4 in their last four
// bytes (RFC 6052), or behind the prefix (6to4, RFC 3056).
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// reachOf returns the reach of an address; of one of IPv6 that stands for one of
// IPv4, that one's.
func reachOf(a netip.Addr) reach {
	a = a.Unmap().WithZone("")
	switch b := a.As16(); {
	case nat64.Contains(a):
		a = netip.AddrFrom4([4]byte(b[12:]))
	case sixTo4.Contains(a):
		a = netip.AddrFrom4([4]byte(b[2:6]))
	}
	switch {
	case a.IsLoopback():
		return loopback
	case a.IsLinkLocalUnicast():
		return linkLocal
	case a.IsPrivate(), sharedSpace.Contains(a):
		return private
	case !a.IsGlobalUnicast(), a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240):
		return nowhere // unspecified, multicast, reserved
	}
	return public
}

// allows reports whether a registry with reach r may send its clients to an
// address with another.
func (r reach) allows(to reach) bool {
	return to == public || to == r && r != nowhere || r == loopback && to == private
}

// dialer connects to the registry, and to where it sends its clients.
type dialer struct {
	registry string // the host's name

	mu      sync.Mutex
	known   bool
	home    reach // of the registry, at the first connection
	proxies map[string]bool
}

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

// proxy is the user's, who is trusted with where it is.
func (d *dialer) proxy(r *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(r)
	if err == nil && proxy != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.proxies == nil {
			d.proxies = map[string]bool{}
		}
		d.proxies[proxy.Hostname()] = true
	}
	return proxy, err
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host := hostOf(address)
	dialer := net.Dialer{Timeout: stall, Control: func(_, to string, _ syscall.RawConn) error { return d.check(host, to) }}
	conn, err := dialer.DialContext(ctx, network, address)
	if err == nil && host == d.registry {
		d.settle(conn.RemoteAddr().String())
	}
	return conn, err
}

// check says whether it may connect to an address, which a host's name led to.
func (d *dialer) check(host, to string) error {
	at, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r := reachOf(at.Addr())
	if d.proxies[host] || host == d.registry && !d.known || d.home.allows(r) {
		return nil
	}
	return fmt.Errorf("the registry leads to %s at %s, which is a %s address, and it is at a %s one itself: not followed", host, at, r, d.home)
}

// settle remembers where the registry is, so that its name can't lead to a
// nearer place later.
func (d *dialer) settle(to string) {
	at, err := netip.ParseAddrPort(to)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.known {
		d.known, d.home = true, reachOf(at.Addr())
	}
}

// checkLiteral is check for a host that is an address: a proxy would connect to
// it in our place.
func (d *dialer) checkLiteral(host string) error {
	a, err := netip.ParseAddr(host)
	if err != nil || host == d.registry {
		return nil //nolint:nilerr // a name, which is looked at when it is one of an address
	}
	return d.check(host, netip.AddrPortFrom(a, 0).String())
}
