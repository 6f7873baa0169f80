#!/bin/bash
# bench-scan.sh [DIRECTORY]
#
# Times capwise scan beside getcap -r and filecap, in turns, with everything in
# the page cache.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:-/usr}
rounds=15
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# timed NAME COMMAND...
timed() {
	local name=$1 start
	shift
	start=${EPOCHREALTIME/./}
	"$@" >/dev/null 2>&1 || true
	echo $((${EPOCHREALTIME/./} - start)) >>"$out/$name"
}

peers=(getcap)
! command -v filecap >/dev/null || peers+=(filecap)
.cache/capwise scan "$dir" >/dev/null 2>&1 || true
for ((i = 0; i < rounds; i++)); do
	timed capwise .cache/capwise scan "$dir"
	timed getcap getcap -r "$dir"
	[ "${peers[*]}" = getcap ] || timed filecap filecap "$dir"
done
median() { sort -n "$out/$1" | sed -n "$((rounds / 2 + 1))p"; }
own=$(median capwise)
echo "capwise scan $((own / 1000)) ms"
for peer in "${peers[@]}"; do
	their=$(median "$peer")
	echo "$peer $((their / 1000)) ms, $((their * 100 / own)) % of capwise's"
done
