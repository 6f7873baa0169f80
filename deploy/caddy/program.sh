#!/bin/sh
# program.sh OUT [ARCH [PACKAGE]]
#
# Builds the program of the caddy image as upstream builds its releases, or the
# command in PACKAGE with the same versions and flags (upstream's own is
# github.com/caddyserver/caddy/v2/cmd/caddy): without the storage back ends for
# its internal CA that upstream leaves out too.
set -eu
[ $# -ge 1 ] || {
	echo "usage: program.sh OUT [ARCH [PACKAGE]]" >&2
	exit 1
}
exec "$(dirname "$0")/../build.sh" caddy nobadger,nomysql,nopgx "$1" "${2:-}" "${3:-./cmd/caddy}"
