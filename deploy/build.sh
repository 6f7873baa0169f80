#!/bin/sh
# build.sh MODULE TAGS OUT ARCH PACKAGE [COMMAND ...]
#
# Builds the program of an image, for ARCH ("" for this machine's), by COMMAND,
# which runs what follows it. What programs have in common is here: no C code, no
# symbol table, no names of folders. The same Go gives the same bytes everywhere.
set -eu
[ $# -ge 5 ] || {
	echo "usage: build.sh MODULE TAGS OUT ARCH PACKAGE [COMMAND ...]" >&2
	exit 1
}
module=$1 tags=$2 out=$3 package=$5
case $out in
/*) ;;
*) out=$PWD/$out ;;
esac
export GOOS=linux CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOEXPERIMENT=''
GOARCH=${4:-$(go env GOARCH)}
export GOARCH
shift 5
cd "$(dirname "$0")/.."
exec "$@" scripts/module.sh "$module" build -trimpath -buildvcs=false \
	-tags "$tags" -ldflags '-s -w' -o "$out" "$package"
