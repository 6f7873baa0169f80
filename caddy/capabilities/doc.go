// Package capabilities is a Caddy module that tells what Caddy may bind.
//
// At every configuration load it logs one receipt: which capability is
// permitted, from which port on none is needed, which listeners will need it
// raised and which will fail, why, and what to change. The admin API serves
// the receipt at /capabilities, and "caddy capabilities --config FILE" gives
// the same answer without starting anything.
//
// Raising is upstream Caddy's own work (since 2.11.8). A configuration that
// would have worked works: the module lets a load fail only after the kernel
// itself refused to bind one of its listeners, so that the error can say why.
package capabilities
