# shellcheck shell=bash
# What boots a kernel of Debian under QEMU (without KVM, so slowly), for scripts
# that source this from the repository's root:
#
#	suite SUITE               whose packages the others fetch
#	kernel PACKAGE            sets $kernel to an image, which stays in .cache/kernels
#	unpack PACKAGE DIRECTORY  unpacks the package of that very name there
#	boot KERNEL ROOT [COMMAND LINE]
#	                          runs ROOT/init and prints what it says
#
# The machine's own kernel and packages stay as they are, but as root on Debian
# this installs qemu-system-x86 and cpio where they are missing.
kernels=$PWD/.cache/kernels

say() { echo "$(basename "$0"): $*" >&2; }

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v cpio >/dev/null || missing+=(cpio)
if [ ${#missing[@]} -gt 0 ]; then
	say "installing ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >&2
fi

# An apt of its own: the suites of the machine are another matter.
suite() {
	local apt=$kernels/apt/$1 archive=http://deb.debian.org/debian
	case $1 in
	*-security) archive=http://deb.debian.org/debian-security ;;
	esac
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $1 main" >"$apt/sources.list"
	options=(-qq -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::Etc::SourceList="$apt/sources.list"
		-o Dir::Etc::SourceParts=- -o Dir::State::Status=/dev/null -o APT::Architecture=amd64 -o APT::Architectures=amd64
		-o Acquire::Languages=none -o APT::Sandbox::User=root)
	apt-get "${options[@]}" update
}

unpack() {
	local deb=$2.deb
	rm -rf "$deb"
	mkdir -p "$deb" "$2"
	(cd "$deb" && apt-get "${options[@]}" download "$1" >&2)
	dpkg-deb -x "$deb"/*.deb "$2"
	rm -r "$deb"
}

# depends PACKAGE: what a package named by its role stands for.
depends() { apt-cache "${options[@]}" depends "$1" | sed -n 's/^ *Depends: \(linux-\(image\|binary\)-[0-9].*\)/\1/p' | head -n 1; }

kernel() {
	local package=$1 next
	while next=$(depends "$package") && [ -n "$next" ]; do
		package=$next
	done
	kernel=$kernels/$package/vmlinuz
	[ ! -e "$kernel" ] || return 0
	say "fetching $package"
	unpack "$package" "$kernel.package"
	# From 7 on it is not in /boot.
	find "$kernel.package/boot" "$kernel.package/usr" -name 'vmlinuz*' -type f -exec mv {} "$kernel.part" \; 2>/dev/null || true
	rm -r "$kernel.package"
	mv "$kernel.part" "$kernel"
}

boot() {
	(cd "$2" && find . | cpio --quiet -o -H newc -R 0:0) >"$2.initrd"
	timeout 3600 qemu-system-x86_64 -M q35 -accel tcg -cpu qemu64 -m 768 -smp 1 -nodefaults -no-user-config \
		-nographic -serial stdio -no-reboot -kernel "$1" -initrd "$2.initrd" \
		-append "console=ttyS0 quiet panic=-1 ${3:-}" </dev/null | stdbuf -o0 tr -d "\r"
}
