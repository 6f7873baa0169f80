#!/bin/sh
# rootfs.sh PACKAGES ROOT [APPLETS]
#
# Makes the root file system of the caddy-builder image in the new directory ROOT:
# Debian packages (*.deb) from the directory PACKAGES, which is named after their
# architecture; the Go toolchain of the Go that runs here, from the module proxy,
# checked by its checksum database; and capwise. Everything is there then but
# xcaddy. APPLETS is as for the caddy image.
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR source=../rootfs.sh
. "$here/../rootfs.sh"
arch=$(basename "$packages")

mkdir -p "$root/bin" "$root/usr/bin" "$root/usr/local/lib/capwise" "$root/go/bin" "$root/etc"
echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
echo "root:x:0:" >"$root/etc/group"
certificates
busybox "${3:-}"

toolchain=$(go mod download -json "golang.org/toolchain@v0.0.1-$(go env GOVERSION).linux-$arch" |
	sed -n 's/^.*"Dir": "\(.*\)",$/\1/p')
[ -n "$toolchain" ] || die "no Go toolchain for $arch"
# What only Go's own tests need is left out, which holds programs of other
# machines, and what the race detector and BoringCrypto need beside a C compiler.
mkdir "$root/usr/local/go"
tar -c -C "$toolchain" --exclude=testdata --exclude='*_test.go' --exclude='*.syso' --exclude=./test --exclude=./api --exclude=./doc . |
	tar -x -C "$root/usr/local/go" --no-same-permissions --no-same-owner
GOOS=linux GOARCH=$arch "$here/../../scripts/capwise.sh" "$root/usr/bin/capwise"
# Go that comes first in PATH: CAPWISE_BUILD says what it does.
ln -s ../../../bin/capwise "$root/usr/local/lib/capwise/go"

modes
chmod 755 "$root/bin/busybox" "$root/usr/bin/capwise" "$root/usr/local/go/bin"/* "$root/usr/local/go/pkg/tool"/*/*
