package capabilities

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// listener is one socket that a configuration makes Caddy open, or a range of
// ports of the same kind.
type listener struct {
	user    string               // "http.servers.srv0", "admin" or "admin.remote"
	address caddy.NetworkAddress // of the network that the socket is opened on
}

// String returns Caddy's notation, such as "tcp/:80".
func (l listener) String() string {
	if !l.hasPort() {
		return l.address.String()
	}
	port := strconv.Itoa(int(l.address.StartPort))
	if l.address.EndPort != l.address.StartPort {
		port += "-" + strconv.Itoa(int(l.address.EndPort))
	}
	return l.address.Network + "/" + net.JoinHostPort(l.address.Host, port)
}

// hasPort reports whether the listener is a TCP or UDP socket that Caddy opens
// itself. Caddy reserves these names, so no plugin provides such a network.
func (l listener) hasPort() bool {
	return slices.Contains([]string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"}, l.address.Network)
}

// isFile reports whether the listener is a Unix socket or a descriptor that was
// passed on: no capability decides about these.
func (l listener) isFile() bool { return l.address.IsUnixNetwork() || l.address.IsFdNetwork() }

// port returns the lowest port, which needs the most. Port 0 is none: it makes
// the kernel choose a high one.
func (l listener) port() int {
	if l.address.StartPort == 0 && l.address.EndPort > 0 {
		return 1
	}
	return int(l.address.StartPort)
}

// httpListeners returns what the HTTP app of the configuration listens on, if
// there is one. The app is provisioned if that has not happened yet.
func httpListeners(ctx caddy.Context) ([]listener, error) {
	app, err := ctx.AppIfConfigured("http")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return appListeners(app.(*caddyhttp.App))
}

// appListeners returns what the provisioned app listens on when it starts, by
// the rules of its Start method: the servers of the configuration and those
// that automatic HTTPS has added, with HTTP/3 where it is on.
func appListeners(app *caddyhttp.App) ([]listener, error) {
	httpPort := uint(cmp.Or(app.HTTPPort, caddyhttp.DefaultHTTPPort))
	var all []listener
	for name, srv := range app.Servers {
		for i, text := range srv.Listen {
			addr, err := caddy.ParseNetworkAddress(text)
			if err != nil {
				return nil, err
			}
			protocols := srv.Protocols
			if srv.ListenProtocols != nil && srv.ListenProtocols[i] != nil {
				protocols = srv.ListenProtocols[i]
			}
			for _, part := range partsAt(addr, httpPort) {
				// A server never speaks TLS on the HTTP port.
				tls := len(srv.TLSConnPolicies) > 0 && part.StartPort != httpPort
				all = append(all, serverListeners("http.servers."+name, part, protocols, tls)...)
			}
		}
	}
	// Automatic HTTPS adds addresses in any order.
	slices.SortFunc(all, func(a, b listener) int {
		return cmp.Or(strings.Compare(a.user, b.user), strings.Compare(a.String(), b.String()))
	})
	return all, nil
}

// partsAt splits a range of ports that holds the given one into what is below
// it, the port itself, and what is above it.
func partsAt(addr caddy.NetworkAddress, port uint) []caddy.NetworkAddress {
	if port < addr.StartPort || port > addr.EndPort {
		return []caddy.NetworkAddress{addr}
	}
	part := func(from, to uint) caddy.NetworkAddress {
		p := addr
		p.StartPort, p.EndPort = from, to
		return p
	}
	var parts []caddy.NetworkAddress
	if addr.StartPort < port {
		parts = append(parts, part(addr.StartPort, port-1))
	}
	parts = append(parts, part(port, port))
	if port < addr.EndPort {
		parts = append(parts, part(port+1, addr.EndPort))
	}
	return parts
}

// http3Networks says on which network a server of the first one speaks HTTP/3.
// On a Unix socket it speaks none.
var http3Networks = map[string]string{
	"tcp": "udp", "tcp4": "udp4", "tcp6": "udp6",
	"udp": "udp", "udp4": "udp4", "udp6": "udp6",
	"fdgram": "fdgram",
}

// serverListeners returns the stream socket for HTTP/1 and 2 and the datagram
// socket for HTTP/3 of one address.
func serverListeners(user string, addr caddy.NetworkAddress, protocols []string, tls bool) []listener {
	has := func(p string) bool { return slices.Contains(protocols, p) }
	var out []listener
	if has("h1") || has("h2") && tls || has("h2c") {
		out = append(out, listener{user, addr})
	}
	if network, ok := http3Networks[addr.Network]; ok && has("h3") && tls {
		addr.Network = network
		out = append(out, listener{user, addr})
	}
	return out
}

// adminListeners returns the sockets of the admin endpoints that the
// configuration asks for: the local one unless it is turned off, and the remote
// one if it is configured, by the rules of replaceLocalAdminServer and
// replaceRemoteAdminServer.
func adminListeners(admin *caddy.AdminConfig) ([]listener, error) {
	if admin == nil {
		admin = &caddy.AdminConfig{Listen: caddy.DefaultAdminListen}
	}
	var all []listener
	add := func(user, text, byDefault string) error {
		addr, err := adminAddress(text, byDefault)
		if err == nil {
			all = append(all, listener{user, addr})
		}
		return err
	}
	if !admin.Disabled {
		if err := add("admin", admin.Listen, caddy.DefaultAdminListen); err != nil {
			return nil, err
		}
	}
	if admin.Remote != nil {
		if err := add("admin.remote", admin.Remote.Listen, caddy.DefaultRemoteAdminListen); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// adminAddress reads the address of an admin endpoint as Caddy does.
func adminAddress(text, byDefault string) (caddy.NetworkAddress, error) {
	given, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
	if err != nil {
		return caddy.NetworkAddress{}, fmt.Errorf("admin endpoint: %w", err)
	}
	addr, err := caddy.ParseNetworkAddress(cmp.Or(given, byDefault))
	if err != nil {
		return caddy.NetworkAddress{}, fmt.Errorf("admin endpoint: %w", err)
	}
	if addr.PortRangeSize() != 1 {
		return caddy.NetworkAddress{}, fmt.Errorf("admin endpoint: %s is more than one address", addr)
	}
	return addr, nil
}

// configListeners provisions the configuration, without starting it, and
// returns all of its listeners.
func configListeners(configJSON []byte) ([]listener, error) {
	var cfg caddy.Config
	if err := caddy.StrictUnmarshalJSON(caddy.RemoveMetaFields(configJSON), &cfg); err != nil {
		return nil, err
	}
	// A question opens no log files and has nothing to say in them.
	cfg.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{
		caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{
			Level:     "ERROR",
			WriterRaw: json.RawMessage(`{"output": "stderr"}`),
		}},
	}}
	all, err := adminListeners(cfg.Admin)
	if err != nil {
		return nil, err
	}
	ctx, err := caddy.ProvisionContext(&cfg)
	if err != nil {
		return nil, err
	}
	http, err := httpListeners(ctx)
	return append(all, http...), err
}
