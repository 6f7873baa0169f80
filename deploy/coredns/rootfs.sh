#!/bin/sh
# rootfs.sh PACKAGES ROOT [APPLETS]
#
# Makes the root file system of the coredns image in the new directory ROOT from
# the Debian packages (*.deb, one architecture) in the directory PACKAGES and
# the files in rootfs/ beside this script. Everything is there then but the
# program. The image has no BusyBox, so APPLETS is of no use here.
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR source=../rootfs.sh
. "$here/../rootfs.sh"

mkdir -p "$root/home/nonroot"
cp -R "$here/rootfs/." "$root/"
certificates
modes
# For certificates that the plugin tls gets by ACME: any user ID that a container
# is started with must be able to write here.
chmod 1777 "$root/home/nonroot"
