#!/bin/sh
# capwise.sh OUT
#
# Builds the command line: one static program.
set -eu
case $1 in
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
mkdir -p "$(dirname "$out")"
CGO_ENABLED=0 exec scripts/module.sh cmd/capwise build -trimpath -ldflags '-s -w' -o "$out" .
