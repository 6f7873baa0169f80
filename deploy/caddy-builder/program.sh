#!/bin/sh
# program.sh OUT [ARCH]
#
# Builds xcaddy, in the version of tools/go.mod. The same Go gives the same bytes
# everywhere.
set -eu
[ $# -ge 1 ] || {
	echo "usage: program.sh OUT [ARCH]" >&2
	exit 1
}
case $1 in
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")/../../tools"
export GOWORK=off GOOS=linux CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOEXPERIMENT=''
GOARCH=${2:-$(go env GOARCH)} exec go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$out" github.com/caddyserver/xcaddy/cmd/xcaddy
