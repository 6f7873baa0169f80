// Package capabilities is a Caddy module that tells what Caddy may bind.
//
// At every configuration load it logs one receipt: which capability is
// permitted, from which port on none is needed, which listeners will need it
// raised and which will fail, why, and what to change. The admin API serves
// the receipt of the running configuration at /capabilities, and "caddy
// capabilities --config FILE" gives the same answer without starting anything.
//
// A receipt covers the listeners of the HTTP app. The command covers those of
// the admin endpoints too; a module does not learn about these when a
// configuration is loaded, so that a refusal to bind them is explained in the
// log when it has happened. Sockets of networks that plugins provide, and of
// other apps, are not judged.
//
// Raising is upstream Caddy's own work (since 2.11.8). A configuration that
// would have worked works: the module lets a load fail only after the kernel
// itself refused to bind one of its listeners, so that the error can say why.
package capabilities
