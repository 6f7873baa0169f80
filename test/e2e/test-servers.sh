#!/bin/bash
# test-servers.sh
#
# What `capwise build` makes of servers that nobody here wrote: builds all of them,
# starts each in containers, and runs tests that came with them and with Go. With
# empty caches it takes an hour and 17 GB of Go's build cache; see docs/servers.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
cache=$root/.cache/servers
mkdir -p "$cache"

say() { printf '\n== %s\n' "$*"; }

scripts/prepare-debian.sh
scripts/capwise.sh bin/capwise

say "servers, with capwise build and without"
PLAIN=1 test/e2e/servers.sh all

failed=
say "real runtimes"
CAPWISE=$root/bin/capwise CAPWISE_SERVERS=all CAPWISE_E2E_RESULTS=$cache/e2e \
	scripts/module.sh test/e2e test -count=1 -timeout 30m -run TestServers . || failed=yes
say "their own tests, and Go's"
test/e2e/suites.sh all | tee "$cache/passed" || failed=yes

say "results"
cat "$cache/e2e"
printf '\n%-12s %10s %10s %7s\n' server bytes plain more
for plain in "$cache"/*/plain; do
	name=$(basename "$(dirname "$plain")")
	with=$(stat -c %s "$cache/$name/$name")
	without=$(stat -c %s "$plain")
	printf '%-12s %10d %10d %7d\n' "$name" "$with" "$without" $((with - without))
done
printf '\nown tests\n'
cat "$cache/passed"
say "in $((SECONDS / 60)) min $((SECONDS % 60)) s"
[ -z "$failed" ]
