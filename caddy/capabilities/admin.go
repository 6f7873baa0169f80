package capabilities

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/capwise/capwise/diagnose"
)

func init() { caddy.RegisterModule(new(admin)) }

// admin is the part of the admin API that serves the receipt. Caddy provisions
// it at each load of a configuration that has an admin endpoint, before it
// starts any app.
type admin struct {
	receipt Receipt // of the configuration that the endpoint was made for
}

// CaddyModule returns the module's name in Caddy.
func (*admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.capabilities", New: func() caddy.Module { return new(admin) }}
}

// Provision makes and logs the receipt of the configuration that is being
// loaded. Its only error is the kernel's refusal to bind one of the
// configuration's listeners, which no later step would survive either.
func (a *admin) Provision(ctx caddy.Context) error {
	listeners, err := httpListeners(ctx)
	if err != nil {
		return nil //nolint:nilerr // Caddy reports the same error
	}
	a.receipt = newReceipt(diagnose.Self(), listeners)
	if !given.first(ctx) {
		return nil // provisioned again, for the remote admin endpoint
	}
	a.receipt.log(ctx.Logger(a))
	if caddy.ActiveContext().Context != nil {
		// A reload may fail later, and for what no receipt foresees; the first
		// load's failure is its command's.
		context.AfterFunc(ctx, func() { explainFailure(context.Cause(ctx)) })
	}
	return probe(a.receipt, listeners)
}

// Routes returns GET /capabilities.
func (a *admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/capabilities", Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func (a *admin) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
	}
	receipt, err := a.current()
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(receipt)
}

// current returns the receipt of the configuration that runs. That is another
// than the one the endpoint was made for if the latter failed to start: Caddy
// keeps the new endpoint then, and goes on with the old configuration.
func (a *admin) current() (Receipt, error) {
	running := caddy.ActiveContext()
	if running.Context == nil {
		return a.receipt, nil // the first one has not started yet
	}
	listeners, err := httpListeners(running)
	return newReceipt(diagnose.Self(), listeners), err
}

// given remembers which loads have got their receipt. Caddy loads one
// configuration at a time in a process, so there is one of these.
var given receipts

// receipts is a set of loads, each of which Caddy's context stands for. It
// forgets a load that has failed, or whose configuration was replaced.
type receipts struct{ loads sync.Map }

// first reports whether the load is under way, or its configuration in use,
// and got no receipt yet; and notes that it gets one.
func (r *receipts) first(ctx caddy.Context) bool {
	load := ctx.Context
	if _, known := r.loads.LoadOrStore(load, nil); known {
		return false
	}
	context.AfterFunc(load, func() { r.loads.Delete(load) })
	return load.Err() == nil
}

var (
	_ caddy.AdminRouter = (*admin)(nil)
	_ caddy.Provisioner = (*admin)(nil)
)
