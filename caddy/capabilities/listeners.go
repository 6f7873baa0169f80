package capabilities

import (
	"cmp"
	"encoding/json"
	"maps"
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
	user    string // "http.servers.srv0" or "admin"
	network string // as package net knows it; "tcp" or "udp" if it has ports
	address caddy.NetworkAddress
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
	return l.network + "/" + net.JoinHostPort(l.address.Host, port)
}

// hasPort reports whether the listener is a TCP or UDP socket: no other kind
// that Caddy opens itself needs a capability to bind.
func (l listener) hasPort() bool {
	return strings.HasPrefix(l.network, "tcp") || strings.HasPrefix(l.network, "udp")
}

// port returns the lowest port, which needs the most.
func (l listener) port() int { return int(l.address.StartPort) }

// httpListeners returns what the provisioned app will listen on when it
// starts, by the rules of its Start method: the servers of the configuration
// and those that automatic HTTPS has added, with HTTP/3 where it is on.
func httpListeners(app *caddyhttp.App) ([]listener, error) {
	var all []listener
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		srv := app.Servers[name]
		for i, text := range srv.Listen {
			addr, err := caddy.ParseNetworkAddress(text)
			if err != nil {
				return nil, err
			}
			protocols := srv.Protocols
			if srv.ListenProtocols != nil && srv.ListenProtocols[i] != nil {
				protocols = srv.ListenProtocols[i]
			}
			all = append(all, serverListeners("http.servers."+name, addr, protocols, usesTLS(app, srv, addr))...)
		}
	}
	return all, nil
}

// usesTLS reports whether the server speaks TLS on the address: never on the
// HTTP port.
func usesTLS(app *caddyhttp.App, srv *caddyhttp.Server, addr caddy.NetworkAddress) bool {
	httpPort := cmp.Or(app.HTTPPort, caddyhttp.DefaultHTTPPort)
	return len(srv.TLSConnPolicies) > 0 && int(addr.StartPort) != httpPort
}

// serverListeners returns the stream socket for HTTP/1 and 2 and the datagram
// socket for HTTP/3 of one address.
func serverListeners(user string, addr caddy.NetworkAddress, protocols []string, tls bool) []listener {
	has := func(p string) bool { return slices.Contains(protocols, p) }
	var out []listener
	if has("h1") || has("h2") && tls || has("h2c") {
		out = append(out, listener{user, addr.Network, addr})
	}
	if has("h3") && tls && strings.HasPrefix(addr.Network, "tcp") {
		out = append(out, listener{user, "udp" + strings.TrimPrefix(addr.Network, "tcp"), addr})
	}
	return out
}

// adminListener returns the socket of the admin endpoint that the
// configuration asks for, and false if it turns it off.
func adminListener(admin *caddy.AdminConfig) (listener, bool, error) {
	text := caddy.DefaultAdminListen
	if admin != nil {
		if admin.Disabled {
			return listener{}, false, nil
		}
		given, err := caddy.NewReplacer().ReplaceOrErr(admin.Listen, true, true)
		if err != nil {
			return listener{}, false, err
		}
		text = cmp.Or(given, text)
	}
	addr, err := caddy.ParseNetworkAddress(text)
	return listener{"admin", addr.Network, addr}, true, err
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
	var all []listener
	admin, on, err := adminListener(cfg.Admin)
	if err != nil {
		return nil, err
	}
	if on {
		all = append(all, admin)
	}
	ctx, err := caddy.ProvisionContext(&cfg)
	if err != nil {
		return nil, err
	}
	app, err := httpApp(ctx)
	if app == nil || err != nil {
		return all, err
	}
	http, err := httpListeners(app)
	return append(all, http...), err
}
