#!/bin/bash
# bench.sh
#
# Measures capwise beside its peers, in one run. As root: the measured code runs
# as an unprivileged user whose file carries the capability.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/prepare-debian.sh
mkdir -p .cache/upstream
deploy/caddy/program.sh .cache/upstream/caddy "$(go env GOARCH)" github.com/caddyserver/caddy/v2/cmd/caddy
CGO_ENABLED=0 scripts/module.sh test/peers build -o "$PWD/.cache/bench" ./cmd/bench
.cache/bench bind
.cache/bench caddy bin/caddy .cache/upstream/caddy
.cache/bench launch "cmd/capwise/internal/launchers/bin/$(go env GOARCH).gz" bin/capwise
