package capabilities

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/capwise/capwise/diagnose"
)

func init() { caddy.RegisterModule(new(admin)) }

// admin is the part of the admin API that serves the receipt. Caddy provisions
// it at each load of a configuration that has an admin endpoint, before it
// starts any app.
type admin struct{ receipt Receipt }

// CaddyModule returns the module's name in Caddy.
func (*admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.capabilities", New: func() caddy.Module { return new(admin) }}
}

// Provision makes and logs the receipt of the configuration that is being
// loaded. Its only error is the kernel's refusal to bind one of the
// configuration's listeners, which no later step would survive either.
func (a *admin) Provision(ctx caddy.Context) error {
	app, err := httpApp(ctx)
	if err != nil {
		return nil //nolint:nilerr // Caddy comes to the same error by itself, and tells it better
	}
	var listeners []listener
	if app != nil {
		if listeners, err = httpListeners(app); err != nil {
			return nil //nolint:nilerr // as above
		}
	}
	a.receipt = newReceipt(diagnose.Self(), listeners)
	if !given.first(app) {
		return nil // provisioned again, for the remote admin endpoint
	}
	a.receipt.log(ctx.Logger(a))
	return refusal(a.receipt, listeners)
}

// Routes returns GET /capabilities.
func (a *admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/capabilities", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *admin) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(a.receipt)
}

// httpApp returns the provisioned HTTP app of the configuration, or nil if it
// has none.
func httpApp(ctx caddy.Context) (*caddyhttp.App, error) {
	app, err := ctx.AppIfConfigured("http")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return app.(*caddyhttp.App), nil
}

// given remembers for which configuration the last receipt was given. Caddy
// has one running configuration per process, so there is one of these.
var given receipts

type receipts struct {
	mu  sync.Mutex
	any bool
	app *caddyhttp.App
}

// first reports whether no receipt was given for the app yet, and notes it.
func (r *receipts) first(app *caddyhttp.App) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.any && app != nil && r.app == app {
		return false
	}
	r.any, r.app = true, app
	return true
}

// done reports whether any receipt was given.
func (r *receipts) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.any
}

var (
	_ caddy.AdminRouter = (*admin)(nil)
	_ caddy.Provisioner = (*admin)(nil)
)
