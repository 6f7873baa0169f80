#!/bin/bash
# kernel-qemu.sh [SUITE [PACKAGE [ARGUMENTS OF capwise-kernelcheck]]]
#
# Boots a kernel of Debian under QEMU (without KVM, so slowly) with the checker
# as its only program, and fails unless that finds no mismatch. Without
# arguments that is Debian 12's 6.1. Others:
#
#   scripts/kernel-qemu.sh bullseye linux-image-amd64                   5.10
#   scripts/kernel-qemu.sh bookworm-security linux-image-6.12-amd64     6.12
#   scripts/kernel-qemu.sh trixie-backports linux-image-amd64           7
#
# The machine's own kernel and packages stay as they are, but as root on Debian
# it installs qemu-system-x86 and cpio where they are missing. Kernels stay in
# .cache/kernels. APPEND holds more of the kernel's command line.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
root=$PWD
suite=${1:-bookworm}
package=${2:-linux-image-amd64}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- -mode sample

say() { echo "kernel-qemu.sh: $*" >&2; }

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v cpio >/dev/null || missing+=(cpio)
if [ ${#missing[@]} -gt 0 ]; then
	say "installing ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >&2
fi

# An apt of its own: the suites of the machine are another matter.
kernels=$root/.cache/kernels
apt=$kernels/apt/$suite
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
case $suite in
*-security) archive=http://deb.debian.org/debian-security ;;
*) archive=http://deb.debian.org/debian ;;
esac
echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" >"$apt/sources.list"
options=(-qq -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::Etc::SourceList="$apt/sources.list"
	-o Dir::Etc::SourceParts=- -o Dir::State::Status=/dev/null -o APT::Architecture=amd64 -o APT::Architectures=amd64
	-o Acquire::Languages=none -o APT::Sandbox::User=root)

# fetch PACKAGE DIRECTORY: unpacks the kernel of a package there. From 7 on it is
# not in /boot.
fetch() {
	local deb=$2/deb
	rm -rf "$deb"
	mkdir -p "$deb"
	(cd "$deb" && apt-get "${options[@]}" download "$1" >&2)
	dpkg-deb -x "$deb"/*.deb "$deb"
	find "$deb/boot" "$deb/usr" -name 'vmlinuz*' -type f -exec mv {} "$2/vmlinuz.part" \; 2>/dev/null || true
	rm -r "$deb"
	mv "$2/vmlinuz.part" "$2/vmlinuz"
}

# depends PACKAGE: what a package named by its role stands for.
depends() { apt-cache "${options[@]}" depends "$1" | sed -n 's/^ *Depends: \(linux-\(image\|binary\)-[0-9].*\)/\1/p' | head -n 1; }

say "looking for $package in $suite"
apt-get "${options[@]}" update
while next=$(depends "$package") && [ -n "$next" ]; do
	package=$next
done
kernel=$kernels/$package
if [ ! -e "$kernel/vmlinuz" ]; then
	say "fetching $package"
	fetch "$package" "$kernel"
fi

scripts/kernelcheck.sh
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp bin/capwise-kernelcheck "$stage/init"
(cd "$stage" && echo init | cpio --quiet -o -H newc >"$stage/initrd")

say "booting $package: capwise-kernelcheck $*"
timeout 3600 qemu-system-x86_64 -M q35 -accel tcg -cpu qemu64 -m 768 -smp 1 -nodefaults -no-user-config \
	-nographic -serial stdio -no-reboot -kernel "$kernel/vmlinuz" -initrd "$stage/initrd" \
	-append "console=ttyS0 quiet panic=-1 ${APPEND:-} -- $*" </dev/null | tr -d '\r' | tee "$stage/log"
grep -q ': 0 mismatches$' "$stage/log" || {
	say "not without mismatches"
	exit 1
}
