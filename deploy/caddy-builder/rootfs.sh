#!/bin/sh
# rootfs.sh PACKAGES ROOT [APPLETS [TOOLCHAIN [CAPWISE]]]
#
# Makes the root file system of the caddy-builder image in the new directory ROOT:
# Debian packages (*.deb, one architecture) from the directory PACKAGES, a Go
# toolchain and capwise. Everything is there then but xcaddy. APPLETS is as for the
# caddy image. TOOLCHAIN is the directory of a toolchain for that architecture;
# without it it is that of the Go that runs here, from the module proxy, checked by
# its checksum database. CAPWISE is the program; without it it is built.
here=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR source=../rootfs.sh
. "$here/../rootfs.sh"

# git: what clone, fetch, checkout, archive and the like run, over http, https and
# files; with submodules, and without what is written in Perl. Of the packages that
# it depends on the libraries where the dynamic loader looks for them; capwise-image
# checks that all are there that anything in the image needs.
git() {
	core='usr/lib/git-core/git-(remote-https?|submodule|sh-setup|sh-i18n(--envsubst)?)'
	templates='usr/share/git-core/templates/(description|info/exclude)'
	libraries='lib(64)?/ld-linux[^/]*|(usr/)?lib/[^/]*-linux-gnu/[^/]*\.so\.[^/]*'
	[ -d "$packages/git" ] || die "$packages: want git and what it needs in git/"
	tree=$unpacked/git
	mkdir "$tree"
	# All of them first, since a package's licence may be in another one.
	for deb in "$packages"/git/*.deb; do
		extract "$deb" "$tree"
	done
	for deb in "$packages"/git/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -t |
			grep -xE "\./(usr/bin/git(-upload-pack|-upload-archive|-receive-pack)?|$core|$templates|$libraries)" >"$unpacked/files" ||
			continue # a package for something that is left out
		tar -c -C "$tree" -T "$unpacked/files" | tar -x -C "$root" --no-same-owner
		enlist "$deb" "$tree"
	done
}

mkdir -p "$root/bin" "$root/usr/bin" "$root/usr/local/lib/capwise" "$root/go/bin" "$root/etc"
echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
echo "root:x:0:" >"$root/etc/group"
echo "hosts: files dns" >"$root/etc/nsswitch.conf"
certificates
busybox "${3:-}"
git

arch=$(dpkg-deb --field "$packages"/busybox-static_*.deb Architecture)
toolchain=${4:-$(go mod download -json "golang.org/toolchain@v0.0.1-$(go env GOVERSION).linux-$arch" |
	sed -n 's/^.*"Dir": "\(.*\)",$/\1/p')}
[ -n "$toolchain" ] || die "no Go toolchain for $arch"
# What only Go's own tests need is left out, which holds programs of other
# machines, and what the race detector and BoringCrypto need beside a C compiler.
mkdir "$root/usr/local/go"
tar -c -C "$toolchain" --exclude=testdata --exclude='*_test.go' --exclude='*.syso' --exclude=./test --exclude=./api --exclude=./doc . |
	tar -x -C "$root/usr/local/go" --no-same-permissions --no-same-owner
if [ -n "${5:-}" ]; then
	cp "$5" "$root/usr/bin/capwise"
else
	GOOS=linux GOARCH=$arch "$here/../../scripts/capwise.sh" "$root/usr/bin/capwise"
fi
# Go that comes first in PATH: CAPWISE_BUILD says what it does.
ln -s ../../../bin/capwise "$root/usr/local/lib/capwise/go"

modes
chmod 755 "$root/bin/busybox" "$root/usr/bin"/* "$root/usr/lib/git-core"/* "$root/lib"/*-linux-gnu/ld-linux* \
	"$root/usr/local/go/bin"/* "$root/usr/local/go/pkg/tool"/*/*
# Any user ID that a container is started with must be able to write here.
chmod 1777 "$root/go" "$root/go/bin"
