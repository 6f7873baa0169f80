#!/bin/bash
# bench-scan.sh
#
# Times capwise scan beside getcap -r and filecap, in turns, with everything in
# the page cache: on /usr, and on a wide tree of 500,000 empty files. For each the
# wall time, and the time of the processors.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${ROUNDS:-15}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# tree makes 500 folders with 1,000 files each.
tree() {
	mkdir "$out/tree"
	seq -f "$out/tree/%03g" 0 499 | xargs mkdir
	for folder in "$out/tree"/*; do
		(cd "$folder" && seq -f 'file-%g' 1000 | xargs touch)
	done
}

# timed NAME COMMAND... writes down microseconds: wall, processors.
timed() {
	local name=$1
	shift
	local TIMEFORMAT='%R %U %S'
	{ time "$@" >/dev/null 2>&1 || true; } 2>"$out/time"
	awk '{ printf "%d\n", $1 * 1e6 >>wall; printf "%d\n", ($2 + $3) * 1e6 >>cpu }' wall="$out/$name.wall" cpu="$out/$name.cpu" "$out/time"
}

median() { sort -n "$out/$1" | sed -n "$((rounds / 2 + 1))p"; }

# compare DIRECTORY
compare() {
	local dir=$1 i what own their
	rm -f "$out"/*.wall "$out"/*.cpu
	.cache/capwise scan "$dir" >/dev/null 2>&1 || true
	for ((i = 0; i < rounds; i++)); do
		timed capwise .cache/capwise scan "$dir"
		timed getcap getcap -r "$dir"
		timed filecap filecap "$dir"
	done
	for what in wall cpu; do
		own=$(median "capwise.$what")
		printf '%s: capwise scan %d ms' "$what" $((own / 1000))
		for peer in getcap filecap; do
			their=$(median "$peer.$what")
			printf ', %s %d ms, %d %% of it' "$peer" $((their / 1000)) $((their * 100 / own))
		done
		echo
	done
}

echo "/usr"
compare /usr
echo "a tree of 500,000 files"
tree
compare "$out/tree"
