#!/bin/bash
# fuzz.sh [-l] [PATTERN]
#
# Runs every fuzzer of every module (or those whose "PACKAGE FUZZER" matches the
# pattern) for FUZZ_TIME each, 1m by default, and prints a table. What a fuzzer
# finds stays below its package's testdata/fuzz, where "go test" runs it from then
# on: commit it together with what mends it. -l lists the fuzzers instead.
#
# Minimizing is bounded: by default Go spends most of its time on it
# (FuzzWalk: 11 executions instead of 175,000 in 40 seconds).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
list=
if [ "${1:-}" = -l ]; then
	list=yes
	shift
fi
pattern=${1:-.}

# modules prints the folders of the workspace's modules.
modules() { sed -n 's|^\t\./\(.*\)|\1|p; s|^\t\.$|.|p' go.work; }

# within MODULE FOLDER prints the folder's name within the module.
within() {
	case $1 in
	.) echo "./$2" ;;
	*) echo ".${2#"$1"}" ;;
	esac
}

# fuzzers prints "MODULE PACKAGE FUZZER", as "go test -list" knows them, of the
# packages that have any.
fuzzers() {
	local module folder name
	for module in $(modules); do
		grep -rl --include='*_test.go' '^func Fuzz' "$module" | sed 's|^\./||; s|/[^/]*$||' | sort -u | while read -r folder; do
			if [ "$module" = . ] && is_nested "$folder"; then
				continue
			fi
			scripts/module.sh "$module" test -list '^Fuzz' "$(within "$module" "$folder")" | grep '^Fuzz' | while read -r name; do
				echo "$module $(within "$module" "$folder") $name"
			done
		done
	done
}

# is_nested FOLDER reports whether the folder belongs to a module below the root's.
is_nested() {
	local module
	for module in $(modules); do
		case $1/ in "$module"/*) return 0 ;; esac
	done
	return 1
}

chosen=$(fuzzers | grep -E -- "$pattern" || true)
if [ -n "$list" ]; then
	echo "$chosen"
	exit
fi

# Many fuzzers write and sync files; and no input may fill the disk with them.
TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" capwise-fuzz.XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
ulimit -f 2097152 # KiB
mkdir -p .cache/fuzz
failed=
printf '%-40s %-16s %12s %10s  %s\n' package fuzzer executions a-minute result
while read -r module package name; do
	log=$root/.cache/fuzz/${package//[.\/]/_}-$name.log
	begun=$SECONDS
	result=ok
	scripts/module.sh "$module" test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZ_TIME:-1m}" \
		-fuzzminimizetime=2x -timeout 0 >"$log" 2>&1 </dev/null || result="FAILED, see $log"
	[ "$result" = ok ] || failed=yes
	count=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1)
	ran=$(sed -n 's/^fuzz: elapsed: \([0-9hms]*\), execs.*/\1/p' "$log" | tail -1)
	seconds=$(awk -v t="${ran:-0s}" 'BEGIN { s = 0; while (match(t, /^[0-9]+[hms]/)) { n = substr(t, 1, RLENGTH - 1); u = substr(t, RLENGTH, 1); s += n * (u == "h" ? 3600 : u == "m" ? 60 : 1); t = substr(t, RLENGTH + 1) } print s }')
	printf '%-40s %-16s %12s %10s  %s\n' "$([ "$module" = . ] && echo "$package" || echo "$module${package#.}")" "$name" "${count:-0}" \
		"$((${count:-0} * 60 / (seconds > 0 ? seconds : SECONDS - begun + 1)))" "$result"
done <<<"$chosen"
[ -z "$failed" ]
