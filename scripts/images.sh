#!/bin/sh
# images.sh [IMAGE ...] [FLAGS OF capwise-image]
#
# Writes images, all of them if none is named (caddy, coredns, caddy-builder):
# dist/IMAGE/ (OCI layout, amd64 and arm64) and dist/IMAGE-amd64.tar,
# dist/IMAGE-arm64.tar (for "docker load"), and lists them on stdout with their
# digests. It needs Go and, on Debian, apt-get and dpkg-deb, but neither root nor a
# container engine. See docs/images.md.
#
# CADDY_AMD64, CADDY_ARM64, COREDNS_AMD64, COREDNS_ARM64
#                            ready programs to pack instead of building them
# ARCHES=amd64               only these architectures: another image, with another digest
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
images=
while [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; do
	[ -f "deploy/$1/image.json" ] || die "there is no image $1"
	images="$images $1"
	shift
done
: "${images:=caddy coredns caddy-builder}"
arches=${ARCHES:-amd64 arm64}
debs=$repo/.cache/debs
work=$repo/.cache/images
mkdir -p "$work"
stage=$(mktemp -d "$work/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# program IMAGE ARCH sets $program to the file to pack.
program() {
	eval "program=\${$(echo "$1_$2" | tr '[:lower:]-' '[:upper:]_'):-}"
	[ -z "$program" ] || return 0
	say "building $1 for $2"
	program=$work/$1-$2
	"deploy/$1/program.sh" "$program" "$2"
}

# fingerprint IMAGE PROGRAM... prints a hash of everything that the image depends on.
fingerprint() {
	{
		find deploy/*.sh "deploy/$1" "$debs" -type f -exec sha256sum {} + | sort
		if [ "$1" = caddy-builder ]; then
			go version
			scripts/capwise.sh "$work/capwise"
			sha256sum "$work/capwise"
		fi
		shift
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

# list_applets sets $applets to a file with the commands of BusyBox. They can be
# listed by the one that runs here; rootfs.sh checks that the other one has them too.
list_applets() {
	applets=$stage/applets
	[ ! -f "$applets" ] || return 0
	host=$(dpkg --print-architecture)
	[ -d "$debs/$host" ] || die "needs an amd64 or arm64 machine: BusyBox has to run to list its commands"
	dpkg-deb --fsys-tarfile "$debs/$host"/busybox-static_*.deb | tar -x -O ./bin/busybox >"$stage/busybox"
	chmod +x "$stage/busybox"
	"$stage/busybox" --list >"$applets"
}

# image IMAGE FLAGS... writes one.
image() {
	image=$1
	shift
	made=$work/made-$(echo "$image $*" | sha256sum | cut -c 1-16)
	set -- -spec "deploy/$image/image.json" -out dist "$@"
	# What it builds gets a capability, not what builds it.
	[ "$image" != caddy-builder ] || set -- -file-caps none "$@"
	programs=
	for arch in $arches; do
		program "$image" "$arch"
		programs="$programs $program"
	done
	# shellcheck disable=SC2086 # an argument for each program; no path of ours has a space
	inputs=$(fingerprint "$image" $programs)
	if up_to_date; then
		tail -n +2 "$made"
		return
	fi
	list_applets
	path=$(sed -n 's/^.*"program": "\(.*\)",$/\1/p' "deploy/$image/image.json")
	for arch in $arches; do
		root=$stage/$image-$arch
		"deploy/$image/rootfs.sh" "$debs/$arch" "$root" "$applets"
		program "$image" "$arch"
		install -m 0755 "$program" "$root$path"
		set -- "$@" -root "$arch=$root"
	done
	say "packing $image"
	"$work/capwise-image" "$@" >"$stage/written"
	{ echo "$inputs"; cat "$stage/written"; } >"$stage/made"
	mv "$stage/made" "$made"
	cat "$stage/written"
}

# A cache without git was filled before the builder had it.
if [ ! -d "$debs/amd64/git" ] || [ -n "${REFRESH:-}" ]; then
	say "fetching Debian packages"
	# shellcheck disable=SC2086 # an argument for each architecture
	deploy/packages.sh "$stage/debs" amd64 arm64
	rm -rf "$debs"
	mv "$stage/debs" "$debs"
fi
env -u GOOS -u GOARCH go build -trimpath -o "$work/capwise-image" ./image/cmd/capwise-image
for name in $images; do
	image "$name" "$@"
done
