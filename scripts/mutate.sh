#!/bin/bash
# mutate.sh [PACKAGE ...]
#
# Mutation testing of what decides about privileges (all of it, or the packages
# named as test/mutants/targets.go has them): it fails where a change that no test
# notices is not in test/mutants/survivors.txt, or one that is there is noticed.
# As root, an hour or more; nothing else should keep the machine busy, since a
# change counts as noticed where the tests take five times as long, twice.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "mutate.sh: most tests of privileges need root, and would notice nothing" >&2
	exit 1
fi
test/kernel/kernelcheck.sh -
scripts/launchers.sh
ulimit -v 16777216 # KiB: a change may make a loop endless
GOWORK=off exec go run ./test/mutants "$@"
