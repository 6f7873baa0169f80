#!/bin/bash
# bench.sh
#
# Measures capwise beside its peers, in one run. As root: the measured code runs
# as an unprivileged user whose file carries the capability.
set -euo pipefail
cd "$(dirname "$0")/../.."
scripts/prepare-debian.sh
mkdir -p .cache/upstream
deploy/caddy/program.sh .cache/upstream/caddy "$(go env GOARCH)" github.com/caddyserver/caddy/v2/cmd/caddy
CGO_ENABLED=0 scripts/module.sh test/peers build -o "$PWD/.cache/bench" ./cmd/bench
echo "== the law, and explain on a manifest of 1,000 documents"
scripts/module.sh . test -run '^$' -bench . ./law | grep Benchmark
scripts/module.sh cmd/capwise test -run '^$' -bench . . | grep Benchmark
echo "== scan of /usr beside getcap -r and filecap, milliseconds, median of 15 (warm cache)"
scripts/capwise.sh .cache/capwise
test/peers/bench-scan.sh
echo "== fix of an image beside buildah and skopeo, median of 5"
test/peers/bench-fix.sh
.cache/bench bind
CGO_ENABLED=0 .cache/capwise build --no-setcap -- scripts/module.sh test/peers build -o "$PWD/.cache/bench-injected" ./cmd/bench
.cache/bench-injected injected
echo "== what capwise build costs"
test/peers/bench-build.sh
.cache/bench caddy bin/caddy .cache/upstream/caddy
.cache/bench launch "cmd/capwise/internal/launchers/bin/$(go env GOARCH).gz" bin/capwise
