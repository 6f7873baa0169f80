#!/bin/sh
# build.sh OUT.deb
#
# Builds the package. It wants dpkg-deb.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$stage"
mkdir "$stage/DEBIAN"
cp "$here/control" "$here/triggers" "$stage/DEBIAN/"
install -m 755 "$here/postinst" "$stage/DEBIAN/postinst"
dpkg-deb --build --root-owner-group "$stage" "$1"
