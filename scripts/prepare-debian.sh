#!/bin/bash
# prepare-debian.sh
#
# Installs what the tests with real container engines, systemd and the race
# detector need on Debian. Run it as root; it does nothing where everything is
# there already, and starts or enables no service. Without root, or on another
# system, it says what is missing and leaves the machine alone: the tests that
# need it are then skipped by name.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

# A Debian package, and the command or file that shows that it need not be
# installed: Docker's own packages, say, bring dockerd as well.
needs=(
	"docker.io dockerd"
	"podman podman"
	"conmon conmon"
	"runc runc"
	"crun crun"
	"buildah buildah"
	"skopeo skopeo"
	"uidmap newuidmap"
	"iptables iptables"
	"iproute2 ip"
	"util-linux unshare"
	"mount mount"
	"libcap2-bin setcap"
	"libcap-ng-utils filecap" # a peer in make bench
	"umoci umoci" # another
	"systemd /lib/systemd/systemd"
	"dbus dbus-daemon" # systemd-run --wait talks to the bus
	"curl curl"
	"git git" # serves a repository to what is built
	"bind9-dnsutils dig" # a client for DNS over udp, tcp, TLS and HTTPS
	"tini tini" # launchers are started through it, and compared with it
	"dumb-init dumb-init"
	"gosu gosu" # of benchmarks
	"qemu-user qemu-s390x" # runs the launchers of other architectures
	"gcc gcc"
	"libc6-dev /usr/include/stdlib.h"
	"linux-libc-dev /usr/include/linux/capability.h"
	"e2fsprogs debugfs" # writes attributes past the kernel
	"rpm rpmbuild" # upgrades a program that has a launcher
	"strace strace" # widens the windows of attacks
	"python3 /usr/bin/python3" # does its job behind a launcher, as do
	"nodejs /usr/bin/node"
	"default-jre-headless /usr/bin/java"
	"debootstrap debootstrap" # makes the root file system of test/e2e/realcases.sh
)

say() { echo "prepare-debian.sh: $*" >&2; }

# find_missing sets $missing to the packages to install, and $unmet to what
# they are needed for.
find_missing() {
	missing=() unmet=()
	local need package proof
	for need in "${needs[@]}"; do
		read -r package proof <<<"$need"
		case $proof in
		/*) [ ! -e "$proof" ] || continue ;;
		*) ! command -v "$proof" >/dev/null || continue ;;
		esac
		missing+=("$package")
		unmet+=("$proof (package $package)")
	done
}

# links lists what systemd would start by itself.
links() { find /etc/systemd/system -type l -path '*.wants/*' 2>/dev/null | sort || true; }

# forbid_starts makes maintainer scripts start no service, until allow_starts.
policy=/usr/sbin/policy-rc.d
forbid_starts() {
	trap allow_starts EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# A copy that is there already was left by a run that got killed.
	[ ! -e "$policy" ] || [ -e "$policy.capwise" ] || mv "$policy" "$policy.capwise"
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
}

allow_starts() {
	rm -f "$policy"
	[ ! -e "$policy.capwise" ] || mv "$policy.capwise" "$policy"
}

install_missing() {
	export DEBIAN_FRONTEND=noninteractive
	local apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
	"${apt[@]}" update
	# Rather fail than remove another vendor's Docker.
	"${apt[@]}" install -y --no-install-recommends --no-remove "${missing[@]}" >&2
}

find_missing
[ ${#missing[@]} -gt 0 ] || exit 0
list=$(printf '%s, ' "${unmet[@]}")
if [ "$(id -u)" != 0 ]; then
	say "not root, so these needs of tests stay unmet: ${list%, }"
	exit 0
fi
if ! grep -qsx 'ID=debian' /etc/os-release || ! command -v apt-get >/dev/null; then
	say "not Debian, so these needs of tests stay unmet: ${list%, }"
	exit 0
fi

say "installing ${missing[*]}"
before=$(links)
forbid_starts
install_missing
comm -13 <(echo "$before") <(links) | while read -r link; do
	systemctl --quiet disable "${link##*/}" # enabled by its package just now
done
find_missing
[ ${#missing[@]} -eq 0 ] || {
	say "installed, but still missing: ${unmet[*]}"
	exit 1
}
