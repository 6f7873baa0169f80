#!/bin/sh
# program.sh OUT [ARCH [PACKAGE]]
#
# Builds the program of the caddy image as upstream builds its releases, or the
# command in PACKAGE with the same versions and flags (upstream's own is
# github.com/caddyserver/caddy/v2/cmd/caddy): no C code, no symbol table, and
# without the storage back ends for its internal CA that upstream leaves out
# too. The same Go gives the same bytes everywhere.
set -eu
[ $# -ge 1 ] || {
	echo "usage: program.sh OUT [ARCH [PACKAGE]]" >&2
	exit 1
}
case $1 in
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")/../.."
export GOOS=linux CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOEXPERIMENT=''
GOARCH=${2:-$(go env GOARCH)} exec scripts/module.sh caddy build -trimpath -buildvcs=false \
	-tags nobadger,nomysql,nopgx -ldflags '-s -w' -o "$out" "${3:-./cmd/caddy}"
