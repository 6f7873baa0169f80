#!/bin/bash
# bench-build.sh
#
# What "capwise build" costs: the size of CoreDNS and Caddy, their start and speed
# beside the same built plainly, and the time of a build, with an empty build cache
# and with a warm one (of the bench program, since CoreDNS takes minutes).
set -euo pipefail
cd "$(dirname "$0")/../.."
capwise=$PWD/.cache/capwise
out=$PWD/.cache/bench-build
mkdir -p "$out"
size() { stat -c %s "$1"; }
grown() { echo "$1: $(size "$2") bytes, $(($(size "$2") - $(size "$3"))) more than built plainly (target: at most 32768)"; }

CAPWISE=$capwise deploy/coredns/program.sh "$out/coredns"
deploy/coredns/program.sh "$out/coredns-plain" "" ./cmd/coredns
"$capwise" build --no-setcap -- deploy/caddy/program.sh "$out/caddy"
deploy/caddy/program.sh "$out/caddy-plain"
grown CoreDNS "$out/coredns" "$out/coredns-plain"
grown Caddy "$out/caddy" "$out/caddy-plain"
.cache/bench coredns "$out/coredns" "$out/coredns-plain"
echo "Caddy by capwise build (ours), and built plainly (upstream):"
.cache/bench caddy "$out/caddy" "$out/caddy-plain"

cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
# timed NAME COMMAND... builds with the cache named so.
timed() {
	local start=${EPOCHREALTIME/./} name=$1
	shift
	GOCACHE=$cache/$name CGO_ENABLED=0 "$@" scripts/module.sh test/peers build -o "$out/bench" ./cmd/bench
	echo "build with the cache of \"$name\": $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
}
for round in cold warm; do
	echo "$round:"
	timed plain env
	timed "capwise build" "$capwise" build --no-setcap --
done
