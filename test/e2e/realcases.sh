#!/bin/bash
# realcases.sh
#
# Makes the layers of the image that TestRealCases of test/e2e starts programs
# from, in .cache/realcases:
#
#	debian.tar    a Debian root file system, with programs that carry capabilities
#	fping.deb     one of its packages
#	programs.tar  upstream's Caddy from before and after it learned to raise, and CoreDNS
#
# They are kept until this file or the version of Go changes. It needs root and
# debootstrap; without, it says so and makes nothing, and that test is left out.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
umask 022
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/realcases

suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages=iputils-ping,fping,mtr-tiny,libgstreamer1.0-0,wireshark-common,nginx-light,libcap2-bin
caddies=(v2.11.7 v2.11.9) # the first does not raise by itself
coredns=v1.15.0

# What no program here reads. libwireshark, for one, has the dissectors; dumpcap
# is not linked with it.
leave_out=('./dev/*' './proc/*' './sys/*' './run/*' './var/cache/*' './var/lib/apt/*' './var/log/*'
	./etc/hostname ./etc/resolv.conf ./usr/share/{doc,info,locale,man,wireshark,zoneinfo}
	'./usr/lib/*/libwireshark.so*' './usr/lib/*/libicu*')

say() { echo "realcases.sh: $*" >&2; }

[ "$(id -u)" = 0 ] || {
	say "not root, so real programs are left out"
	exit 0
}
for tool in debootstrap unshare setcap tar go; do
	command -v "$tool" >/dev/null || {
		say "$tool is missing, so real programs are left out"
		exit 0
	}
done

mkdir -p "$cache"
stage=$(mktemp -d "$cache/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# layer DIR OUT packs a folder, with capabilities.
layer() {
	tar -C "$1" --format=pax --xattrs --xattrs-include=security.capability --numeric-owner --sort=name \
		"${leave_out[@]/#/--exclude=}" -cf "$stage/tar" .
	mv "$stage/tar" "$2"
}

# up_to_date FILE KEY: whether FILE was made for the same.
up_to_date() { [ -f "$1" ] && [ "$(cat "$1.key" 2>/dev/null)" = "$2" ]; }

debian() {
	local key out=$cache/debian.tar root=$stage/root
	key="$suite $packages ${leave_out[*]} $(declare -f debian layer)"
	! up_to_date "$out" "$key" || return 0
	say "making a Debian root file system"
	# Its mounts end with the namespace.
	unshare --mount --propagation private debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" >"$stage/log" 2>&1 || {
		tail -n 20 "$stage/log" >&2
		return 1
	}
	# What the package does once asked whether everybody may capture.
	setcap cap_net_raw,cap_net_admin=eip "$root/usr/bin/dumpcap"
	setcap cap_net_bind_service=ep "$root/usr/sbin/nginx"
	layer "$root" "$out"
	cp "$root"/var/cache/apt/archives/fping_*.deb "$cache/fping.deb" # for an upgrade
	echo "$key" >"$out.key"
	rm -rf "$root"
}

# install PACKAGE VERSION FLAGS... installs a Go program as its own module wants it.
install() {
	local package=$1 version=$2 out
	shift 2
	out=$cache/${package##*/}-$version
	[[ ! -f $out || "$(go version "$out")" != *": $(go env GOVERSION)" ]] || return 0
	say "building ${package##*/} $version"
	(cd "$stage" && env GOBIN="$stage/bin" GOWORK=off GOFLAGS='' GOOS='' GOARCH='' CGO_ENABLED=0 \
		go install -trimpath "$@" "$package@$version")
	mv "$stage/bin/${package##*/}" "$out"
}

programs() {
	local key version out=$cache/programs.tar bin=$stage/programs/usr/bin
	for version in "${caddies[@]}"; do
		install github.com/caddyserver/caddy/v2/cmd/caddy "$version" -tags nobadger,nomysql,nopgx \
			-ldflags "-s -w -X github.com/caddyserver/caddy/v2.CustomVersion=$version"
	done
	install github.com/coredns/coredns $coredns -ldflags '-s -w'
	key="${caddies[*]} $coredns ${leave_out[*]} $(go version) $(declare -f programs layer install)"
	! up_to_date "$out" "$key" || return 0
	mkdir -p "$bin"
	for version in "${caddies[@]}"; do
		cp "$cache/caddy-$version" "$bin/caddy-${version#v}"
		setcap cap_net_bind_service=ep "$bin/caddy-${version#v}"
	done
	cp "$cache/coredns-$coredns" "$bin/coredns"
	setcap cap_net_bind_service=ep "$bin/coredns"
	layer "$stage/programs" "$out"
	echo "$key" >"$out.key"
}

debian
programs
