// Command caddy is upstream Caddy with all its standard modules and two more: one
// says at every configuration load what the process may bind, and why not; the
// other gives HTTP/3 large buffers where CAP_NET_ADMIN is permitted.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/capwise/capwise/caddy/buffers"
	_ "github.com/capwise/capwise/caddy/capabilities"
)

func main() { caddycmd.Main() }
