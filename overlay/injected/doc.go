// Package injected holds the tests of what an overlay injects: they run under
// "go test -overlay", which the tests of package overlay call.
package injected
