// Command caddy is upstream Caddy with all its standard modules and one more,
// which says at every configuration load what the process may bind, and why
// not.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/capwise/capwise/caddy/capabilities"
)

func main() { caddycmd.Main() }
