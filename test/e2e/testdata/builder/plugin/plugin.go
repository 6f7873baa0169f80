// Package plugin is a Caddy module of somebody's own.
package plugin

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Hello{}) }

// Hello greets.
type Hello struct{}

// CaddyModule implements [caddy.Module].
func (Hello) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.hello", New: func() caddy.Module { return new(Hello) }}
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (Hello) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	_, err := io.WriteString(w, "hello\n")
	return err
}
