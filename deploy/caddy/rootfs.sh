#!/bin/sh
# rootfs.sh PACKAGES ROOT [APPLETS]
#
# Makes the root file system of the caddy image in the new directory ROOT from
# the Debian packages (*.deb, one architecture) in the directory PACKAGES and
# the files in rootfs/ beside this script. Everything is there then but the
# program. APPLETS is a file with the names of the commands of BusyBox; without
# it BusyBox itself is asked, which works where its architecture can run.
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR source=../rootfs.sh
. "$here/../rootfs.sh"

mkdir -p "$root/bin" "$root/usr/bin" "$root/srv" "$root/config/caddy" "$root/data/caddy"
cp -R "$here/rootfs/." "$root/"
certificates

unpack media-types
cp "$unpacked/media-types/etc/mime.types" "$root/etc/"

busybox "${3:-}"

modes
chmod 755 "$root/bin/busybox"
# Any user ID that a container is started with must be able to write here.
chmod 1777 "$root/config" "$root/config/caddy" "$root/data" "$root/data/caddy"
