#!/bin/sh
# program.sh OUT [ARCH]
#
# Builds the program of the caddy image as upstream builds its releases: no C
# code, no symbol table, and without the storage back ends for its internal CA
# that upstream leaves out too. The same Go gives the same bytes everywhere.
set -eu
[ $# -ge 1 ] || {
	echo "usage: program.sh OUT [ARCH]" >&2
	exit 1
}
case $1 in
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")/../../caddy"
export GOOS=linux CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS= GOEXPERIMENT=
GOARCH=${2:-$(go env GOARCH)} exec go build -trimpath -buildvcs=false \
	-tags nobadger,nomysql,nopgx -ldflags '-s -w' -o "$out" ./cmd/caddy
