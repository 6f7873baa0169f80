#!/bin/sh
# program.sh OUT [ARCH [PACKAGE]]
#
# Builds the program of the coredns image with upstream's flags, by "capwise
# build"; or the command in PACKAGE, with the same versions and flags, by go
# itself (upstream's own is github.com/coredns/coredns).
#
# CAPWISE   the command line to build with, made from this checkout if unset:
#           what it puts behind each bind is part of the program
set -eu
[ $# -ge 1 ] || {
	echo "usage: program.sh OUT [ARCH [PACKAGE]]" >&2
	exit 1
}
build=$(dirname "$0")/../build.sh
[ $# -lt 3 ] || exec "$build" coredns grpcnotrace "$1" "$2" "$3"
if [ -z "${CAPWISE:-}" ]; then
	CAPWISE=$(cd "$(dirname "$0")/../.." && pwd)/bin/capwise
	env -u GOOS -u GOARCH "$(dirname "$0")/../../scripts/capwise.sh" "$CAPWISE"
fi
# The file capability is for a copy: this file is built again and again.
exec "$build" coredns grpcnotrace "$1" "${2:-}" ./cmd/coredns "$CAPWISE" build --no-setcap --
