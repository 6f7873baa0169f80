#!/bin/bash
# kernel-qemu.sh [SUITE [PACKAGE [ARGUMENTS OF capwise-kernelcheck]]]
#
# Boots a kernel of Debian under QEMU with the checker as its only program, and
# fails unless that finds no mismatch. Without arguments that is Debian 12's 6.1.
# Others:
#
#   test/kernel/kernel-qemu.sh bullseye linux-image-amd64                   5.10
#   test/kernel/kernel-qemu.sh bookworm-security linux-image-6.12-amd64     6.12
#   test/kernel/kernel-qemu.sh trixie-backports linux-image-amd64           7
#
# APPEND holds more of the kernel's command line. See qemu.sh.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=qemu.sh
. test/kernel/qemu.sh
suite=${1:-bookworm}
package=${2:-linux-image-amd64}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- -mode sample

say "looking for $package in $suite"
suite "$suite"
kernel "$package"
test/kernel/kernelcheck.sh
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
install -D bin/capwise-kernelcheck "$stage/root/init"

say "booting $kernel: capwise-kernelcheck $*"
boot "$kernel" "$stage/root" "${APPEND:-} -- $*" | tee "$stage/log"
grep -q ': 0 mismatches$' "$stage/log" || {
	say "not without mismatches"
	exit 1
}
