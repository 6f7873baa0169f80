#!/bin/sh
# capwise.sh OUT
#
# Builds the command line: one static program, with the launchers in it. About the
# tag and checklinkname see launchers.sh; "capwise exec" is the same code.
set -eu
case $1 in
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
mkdir -p "$(dirname "$out")"
scripts/launchers.sh
CGO_ENABLED=0 exec scripts/module.sh cmd/capwise build -trimpath -tags capwise_exact -ldflags '-s -w -checklinkname=0' -o "$out" .
