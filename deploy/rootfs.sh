# shellcheck shell=sh
# What the scripts deploy/IMAGE/rootfs.sh share, which source this with their
# own arguments: PACKAGES ROOT [APPLETS]. It needs dpkg-deb and coreutils, no root
# and no network.
#
# Both scripts/images.sh and the Containerfiles call those scripts, so that their
# images cannot differ.
set -eu
export LC_ALL=C # one order of names everywhere
umask 022

die() {
	echo "$0: $*" >&2
	exit 1
}

[ $# -ge 2 ] || die "usage: rootfs.sh PACKAGES ROOT [APPLETS]"
packages=$1 root=$2
[ ! -e "$root" ] || die "$root exists already"
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
mkdir -p "$root/dev" "$root/etc/ssl/certs" "$root/proc" "$root/root" "$root/run" "$root/sys" "$root/tmp" \
	"$root/var/lib/dpkg/status.d" "$root/var/tmp"

# unpack NAME: the package's files go to $unpacked/NAME. Its control file and
# licence go into the image, where scanners and people look for them.
unpack() {
	set -- "$1" "$packages/$1"_*.deb
	if [ $# -ne 2 ] || [ ! -f "$2" ]; then
		die "$packages: want exactly one package $1"
	fi
	mkdir "$unpacked/$1"
	extract "$2" "$unpacked/$1"
	enlist "$2" "$unpacked/$1"
}

# extract DEB DIR: the package's files go to DIR.
extract() {
	dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner
}

# enlist DEB DIR: the control file goes into the image, and the licence from DIR.
enlist() {
	name=$(dpkg-deb --field "$1" Package)
	dpkg-deb --field "$1" >"$root/var/lib/dpkg/status.d/$name"
	mkdir -p "$root/usr/share/doc/$name"
	cp "$2/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/"
}

# certificates: the authorities that Debian trusts.
certificates() {
	unpack ca-certificates
	find "$unpacked/ca-certificates/usr/share/ca-certificates" -name '*.crt' | sort |
		while read -r crt; do cat "$crt"; done >"$root/etc/ssl/certs/ca-certificates.crt"
	[ -s "$root/etc/ssl/certs/ca-certificates.crt" ] || die "$packages: ca-certificates holds no certificate"
}

# busybox [APPLETS]: BusyBox, with a link for each of its commands. APPLETS is a file
# with their names; without it BusyBox itself is asked, which works where its
# architecture can run.
busybox() {
	applets=$1
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
}

# modes sets all modes: what a checkout has depends on the umask of whoever made
# it. What has another one is changed after it.
modes() {
	find "$root" -type d -exec chmod 755 {} +
	find "$root" -type f -exec chmod 644 {} +
	chmod 700 "$root/root"
	chmod 1777 "$root/tmp" "$root/var/tmp"
}
