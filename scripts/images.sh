#!/bin/sh
# images.sh [FLAGS OF capwise-image]
#
# Writes the caddy image: dist/caddy/ (OCI layout, amd64 and arm64) and
# dist/caddy-amd64.tar, dist/caddy-arm64.tar (for "docker load"), and lists
# them on stdout with their digests. It needs Go and, on Debian, apt-get and
# dpkg-deb, but neither root nor a container engine. See docs/images.md.
#
# CADDY_AMD64, CADDY_ARM64   ready programs to pack instead of building them
# REFRESH=1                  look for newer Debian packages than the cached ones
# SOURCE_DATE_EPOCH          time of the image and its files, 0 if unset
set -eu
export LC_ALL=C
umask 022

say() { echo "images.sh: $*" >&2; }
die() {
	say "$@"
	exit 1
}

for tool in go apt-get dpkg-deb; do
	command -v "$tool" >/dev/null || die "$tool is missing"
done
cd "$(dirname "$0")/.."
repo=$PWD
arches="amd64 arm64"
debs=$repo/.cache/debs
work=$repo/.cache/images
mkdir -p "$work"
stage=$(mktemp -d "$work/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# program ARCH sets $program to the file to pack.
program() {
	case $1 in
	amd64) program=${CADDY_AMD64:-} ;;
	arm64) program=${CADDY_ARM64:-} ;;
	esac
	[ -z "$program" ] || return 0
	say "building caddy for $1"
	program=$work/caddy-$1
	deploy/caddy/program.sh "$program" "$1"
}

# fingerprint prints a hash of everything that the images depend on.
fingerprint() {
	{
		find deploy/caddy "$debs" -type f -exec sha256sum {} + | sort
		sha256sum "$work/capwise-image" "$@"
		echo "${SOURCE_DATE_EPOCH:-}"
	} | sha256sum
}

# up_to_date: whether the last run wrote the same and it is still there. The
# file $made holds the fingerprint and then what was printed.
up_to_date() {
	[ -f "$made" ] && [ "$(head -n 1 "$made")" = "$inputs" ] || return 1
	tail -n +2 "$made" | while read -r path _ digest; do
		[ -e "$path" ] || exit 1
		[ ! -d "$path" ] || grep -q "$digest" "$path/index.json" || exit 1
	done
}

if [ ! -d "$debs" ] || [ -n "${REFRESH:-}" ]; then
	say "fetching Debian packages"
	# shellcheck disable=SC2086 # an argument for each architecture
	deploy/caddy/packages.sh "$stage/debs" $arches
	rm -rf "$debs"
	mv "$stage/debs" "$debs"
fi
env -u GOOS -u GOARCH go build -o "$work/capwise-image" ./image/cmd/capwise-image

set -- -spec deploy/caddy/image.json -out dist "$@"
program amd64
amd64=$program
program arm64
arm64=$program
inputs=$(fingerprint "$amd64" "$arm64")
made=$work/made-$(echo "$*" | sha256sum | cut -c 1-16)
if up_to_date; then
	tail -n +2 "$made"
	exit
fi

# The commands of BusyBox can be listed by the one that runs here; rootfs.sh
# checks that the other one has them too.
host=$(dpkg --print-architecture)
[ -d "$debs/$host" ] || die "needs an amd64 or arm64 machine: BusyBox has to run to list its commands"
dpkg-deb --fsys-tarfile "$debs/$host"/busybox-static_*.deb | tar -x -O ./bin/busybox >"$stage/busybox"
chmod +x "$stage/busybox"
"$stage/busybox" --list >"$stage/applets"

for arch in $arches; do
	deploy/caddy/rootfs.sh "$debs/$arch" "$stage/$arch" "$stage/applets"
	case $arch in amd64) program=$amd64 ;; arm64) program=$arm64 ;; esac
	install -m 0755 "$program" "$stage/$arch/usr/bin/caddy"
	set -- "$@" -root "$arch=$stage/$arch"
done
say "packing"
"$work/capwise-image" "$@" >"$stage/written"
{ echo "$inputs"; cat "$stage/written"; } >"$stage/made"
mv "$stage/made" "$made"
cat "$stage/written"
