#!/bin/sh
# packages.sh DIR ARCH...
#
# Fetches the Debian packages that the images are made of into the new
# directories DIR/ARCH. DIR/ARCH/git is for the builder only: git, and what apt
# says that it depends on, except Perl and manual pages. apt-get works on a state
# of its own, made from the system's list of sources, so this needs no root,
# changes nothing on the machine and finds packages of other architectures too.
# Signatures are checked as always, and only packages of Debian are taken.
set -eu
umask 022

die() {
	echo "packages.sh: $*" >&2
	exit 1
}

[ $# -ge 2 ] || die "usage: packages.sh DIR ARCH..."
command -v apt-get >/dev/null || die "apt-get is missing: this works on Debian only"
dir=$1
shift
[ ! -e "$dir" ] || die "$dir exists already"
mkdir -p "$(dirname "$dir")"
tmp=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tmp=$(cd "$tmp" && pwd)

apt=$tmp/apt
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/apt.conf.d" "$apt/preferences.d" \
	"$apt/log" "$tmp/debs"
: >"$apt/status"
cat >"$apt/preferences" <<EOF
Package: *
Pin: release o=Debian
Pin-Priority: 500

Package: *
Pin: release *
Pin-Priority: -1
EOF

# The system's configuration still counts, for it may name a proxy; but not the
# commands that it runs after an update, and what is said here comes last.
eval "$(apt-config shell parts Dir::Etc::parts/d)"
# shellcheck disable=SC2154 # the line above assigns parts
cp "$parts"/* "$apt/apt.conf.d/" 2>/dev/null || true
cat >"$apt/apt.conf.d/zzz-capwise" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Log "$apt/log";
Dir::Etc::preferences "$apt/preferences";
Dir::Etc::preferencesparts "$apt/preferences.d";
APT::Architecture "$1";
APT::Architectures { $(printf '"%s"; ' "$@")};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
EOF
echo "Dir::Etc::parts \"$apt/apt.conf.d\";" >"$apt/apt.conf"
export APT_CONFIG="$apt/apt.conf"

apt-get -qq update >&2
for arch in "$@"; do
	mkdir -p "$tmp/debs/$arch/git"
	(cd "$tmp/debs/$arch" && apt-get -qq download ca-certificates media-types "busybox-static:$arch" >&2) ||
		die "no packages for $arch"
	# A name in angle brackets stands for the line after it.
	needs=$(apt-cache depends --important "git:$arch" | sed -n 's/^ *Depends: \([^<]*\)$/\1/p' |
		grep -vE '^(perl|liberror-perl|git-man)(:|$)') || die "no git for $arch"
	# shellcheck disable=SC2086 # an argument for each package
	(cd "$tmp/debs/$arch/git" && apt-get -qq download "git:$arch" >&2 &&
		apt-get -qq install --yes --download-only --no-install-recommends $needs >&2 &&
		mv "$apt/cache/archives"/*.deb .) || die "not all that git needs for $arch"
done
mv "$tmp/debs" "$dir"
