#!/bin/bash
# test-attack.sh
#
# The attacks at length: an attacker who swaps files while "capwise fix" runs, 2,000
# runs each, and again with each system call of fix delayed in turn (test/attack); and
# what is made to hurt whoever reads it, with time and memory (cmd/capwise). It needs
# root, gcc and strace, and takes about an hour. Prints a table of each.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/.cache/attack
mkdir -p "$work"
scripts/prepare-debian.sh
scripts/capwise.sh bin/capwise
export CAPWISE=$PWD/bin/capwise GOFLAGS=-trimpath
export CAPWISE_ATTACK_RESULTS=$work/table CAPWISE_ATTACK_RUNS=${CAPWISE_ATTACK_RUNS:-2000} CAPWISE_ATTACK_WINDOWS=${CAPWISE_ATTACK_WINDOWS:-all}
failed=

# The programs' output holds the tables, whatever became of the tests.
scripts/module.sh test/attack test -count=1 -timeout 3h ./... >"$work/attack.log" 2>&1 || failed=yes
CAPWISE_ATTACK=full CGO_ENABLED=0 scripts/module.sh cmd/capwise test -count=1 -timeout 1h -v -run 'TestInputs|TestLayout|TestInterrupted|TestScanLayers|TestForeignURLs|TestLostReport|TestSavedOnce' . >"$work/inputs.log" 2>&1 || failed=yes

cat "$CAPWISE_ATTACK_RESULTS"
grep '^ *|' "$work/inputs.log"
if [ -n "$failed" ]; then
	echo "test-attack.sh: failed; see $work/*.log" >&2
	exit 1
fi
