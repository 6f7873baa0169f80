// Package wire is how images come from registries and go there: one transport,
// for whoever asks. A registry is trusted with neither time nor disk nor the
// network that it is asked from.
//
//   - A connection that makes no progress ends, at any stage; there is no limit for
//     all of a transfer, which may be slow.
//   - A redirect, and the server that gives tokens, may be anywhere in public, but
//     not on an address of this machine or its network, unless the registry itself
//     is on such a one. What counts is the address that is connected to, whatever
//     name led there.
//   - What a blob is longer or shorter than its descriptor says is an error.
package wire

import (
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Stalls of connections. A registry may think for long when a blob has been sent
// to it, and moves what it has got.
const (
	stall         = 60 * time.Second
	stallUploaded = 10 * time.Minute
)

// Options are what a registry is spoken with: as the user that the Docker
// configuration names, over a transport of its own.
func Options(of name.Registry) []remote.Option {
	return []remote.Option{
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(newTransport(of, stall)),
	}
}

// newTransport returns the transport for a registry.
func newTransport(of name.Registry, stall time.Duration) http.RoundTripper {
	d := &dialer{registry: hostOf(of.RegistryStr())}
	return &watched{stall: stall, inner: &http.Transport{
		Proxy:               d.proxy,
		DialContext:         d.dial,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        16,
		IdleConnTimeout:     stall,
		TLSHandshakeTimeout: stall,
	}, dialer: d}
}
