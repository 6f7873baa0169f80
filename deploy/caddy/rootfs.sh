#!/bin/sh
# rootfs.sh PACKAGES ROOT [APPLETS]
#
# Makes the root file system of the caddy image in the new directory ROOT from
# the Debian packages (*.deb, one architecture) in the directory PACKAGES and
# the files in rootfs/ beside this script. Everything is there then but the
# program. APPLETS is a file with the names of the commands of BusyBox; without
# it BusyBox itself is asked, which works where its architecture can run.
#
# Both scripts/images.sh and the Containerfile call it, so that the two images
# cannot differ. It needs dpkg-deb and coreutils, no root and no network.
set -eu
export LC_ALL=C # one order of names everywhere
umask 022

die() {
	echo "rootfs.sh: $*" >&2
	exit 1
}

[ $# -ge 2 ] || die "usage: rootfs.sh PACKAGES ROOT [APPLETS]"
packages=$1 root=$2 applets=${3:-}
here=$(dirname "$0")
[ ! -e "$root" ] || die "$root exists already"
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT

# unpack NAME: the package's files go to $unpacked/NAME. Its control file and
# licence go into the image, where scanners and people look for them.
unpack() {
	set -- "$1" "$packages/$1"_*.deb
	if [ $# -ne 2 ] || [ ! -f "$2" ]; then
		die "$packages: want exactly one package $1"
	fi
	mkdir "$unpacked/$1"
	dpkg-deb --fsys-tarfile "$2" | tar -x -C "$unpacked/$1" --no-same-owner
	dpkg-deb --field "$2" >"$root/var/lib/dpkg/status.d/$1"
	mkdir -p "$root/usr/share/doc/$1"
	cp "$unpacked/$1/usr/share/doc/$1/copyright" "$root/usr/share/doc/$1/"
}

mkdir -p "$root/bin" "$root/etc/ssl/certs" "$root/usr/bin" "$root/var/lib/dpkg/status.d" \
	"$root/dev" "$root/proc" "$root/run" "$root/sys" "$root/root" "$root/srv" \
	"$root/tmp" "$root/var/tmp" "$root/config/caddy" "$root/data/caddy"
cp -R "$here/rootfs/." "$root/"

unpack ca-certificates
find "$unpacked/ca-certificates/usr/share/ca-certificates" -name '*.crt' | sort |
	while read -r crt; do cat "$crt"; done >"$root/etc/ssl/certs/ca-certificates.crt"
[ -s "$root/etc/ssl/certs/ca-certificates.crt" ] || die "$packages: ca-certificates holds no certificate"

unpack media-types
cp "$unpacked/media-types/etc/mime.types" "$root/etc/"

unpack busybox-static
cp "$unpacked/busybox-static/bin/busybox" "$root/bin/"
if [ -z "$applets" ]; then
	applets=$unpacked/applets
	"$root/bin/busybox" --list >"$applets" || die "$root/bin/busybox cannot run here: give a list of its commands"
fi
# The list may come from the BusyBox of another architecture: a link to a
# command that this one lacks must not get into the image.
tr '\0' '\n' <"$root/bin/busybox" | sort -u >"$unpacked/strings"
missing=$(sort "$applets" | comm -13 "$unpacked/strings" -)
[ -z "$missing" ] || die "$root/bin/busybox lacks commands: $(echo "$missing" | tr "\n" " ")"
while read -r applet; do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done <"$applets"

# Modes are set here and nowhere else: what a checkout has depends on the
# umask of whoever made it.
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$root/bin/busybox"
chmod 700 "$root/root"
# Any user ID that a container is started with must be able to write here.
chmod 1777 "$root/tmp" "$root/var/tmp" "$root/config" "$root/config/caddy" "$root/data" "$root/data/caddy"
