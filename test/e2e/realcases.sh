#!/bin/bash
# realcases.sh
#
# Makes the layers of the image that TestRealCases of test/e2e starts programs
# from, in .cache/realcases:
#
#	debian.tar    a Debian root file system, with programs that carry capabilities
#	fping.deb     one of its packages
#	programs.tar  upstream's Caddy from before and after it learned to raise, and CoreDNS
#
# and, for TestKnownPrograms,
#
#	known         a Debian root file system, unpacked, with the programs of testdata/known.txt,
#	              or, unless CAPWISE_TEST=all, known-short, with some of them
#
# They are kept until this file or the version of Go changes. It needs root and
# debootstrap; without, it says so and makes nothing, and that test is left out.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
umask 022
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/realcases

suite=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages=iputils-ping,fping,mtr-tiny,libgstreamer1.0-0,wireshark-common,nginx-light,libcap2-bin
caddies=(v2.11.7 v2.11.9) # the first does not raise by itself
coredns=v1.15.0

# What no program here reads. libwireshark, for one, has the dissectors; dumpcap
# is not linked with it.
leave_out=('./dev/*' './proc/*' './sys/*' './run/*' './var/cache/*' './var/lib/apt/*' './var/log/*'
	./etc/hostname ./etc/resolv.conf ./usr/share/{doc,info,locale,man,wireshark,zoneinfo}
	'./usr/lib/*/libwireshark.so*' './usr/lib/*/libicu*')

say() { echo "realcases.sh: $*" >&2; }

[ "$(id -u)" = 0 ] || {
	say "not root, so real programs are left out"
	exit 0
}
for tool in debootstrap unshare setcap tar go; do
	command -v "$tool" >/dev/null || {
		say "$tool is missing, so real programs are left out"
		exit 0
	}
done

mkdir -p "$cache"
stage=$(mktemp -d "$cache/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# layer DIR OUT packs a folder, with capabilities.
layer() {
	tar -C "$1" --format=pax --xattrs --xattrs-include=security.capability --numeric-owner --sort=name \
		"${leave_out[@]/#/--exclude=}" -cf "$stage/tar" .
	mv "$stage/tar" "$2"
}

# up_to_date FILE KEY: whether FILE was made for the same.
up_to_date() { [ -e "$1" ] && [ "$(cat "$1.key" 2>/dev/null)" = "$2" ]; }

debian() {
	local key out=$cache/debian.tar root=$stage/root
	key="$suite $packages ${leave_out[*]} $(declare -f debian layer)"
	! up_to_date "$out" "$key" || return 0
	say "making a Debian root file system"
	# Its mounts end with the namespace.
	unshare --mount --propagation private debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" >"$stage/log" 2>&1 || {
		tail -n 20 "$stage/log" >&2
		return 1
	}
	# What the package does once asked whether everybody may capture.
	setcap cap_net_raw,cap_net_admin=eip "$root/usr/bin/dumpcap"
	setcap cap_net_bind_service=ep "$root/usr/sbin/nginx"
	layer "$root" "$out"
	cp "$root"/var/cache/apt/archives/fping_*.deb "$cache/fping.deb" # for an upgrade
	echo "$key" >"$out.key"
	rm -rf "$root"
}

# install PACKAGE VERSION FLAGS... installs a Go program as its own module wants it.
install() {
	local package=$1 version=$2 out
	shift 2
	out=$cache/${package##*/}-$version
	[[ ! -f $out || "$(go version "$out")" != *": $(go env GOVERSION)" ]] || return 0
	say "building ${package##*/} $version"
	(cd "$stage" && env GOBIN="$stage/bin" GOWORK=off GOFLAGS='' GOOS='' GOARCH='' CGO_ENABLED=0 \
		go install -trimpath "$@" "$package@$version")
	mv "$stage/bin/${package##*/}" "$out"
}

programs() {
	local key version out=$cache/programs.tar bin=$stage/programs/usr/bin
	for version in "${caddies[@]}"; do
		install github.com/caddyserver/caddy/v2/cmd/caddy "$version" -tags nobadger,nomysql,nopgx \
			-ldflags "-s -w -X github.com/caddyserver/caddy/v2.CustomVersion=$version"
	done
	install github.com/coredns/coredns $coredns -ldflags '-s -w'
	key="${caddies[*]} $coredns ${leave_out[*]} $(go version) $(declare -f programs layer install)"
	! up_to_date "$out" "$key" || return 0
	mkdir -p "$bin"
	for version in "${caddies[@]}"; do
		cp "$cache/caddy-$version" "$bin/caddy-${version#v}"
		setcap cap_net_bind_service=ep "$bin/caddy-${version#v}"
	done
	cp "$cache/coredns-$coredns" "$bin/coredns"
	setcap cap_net_bind_service=ep "$bin/coredns"
	layer "$stage/programs" "$out"
	echo "$key" >"$out.key"
}

# What has the programs of testdata/known.txt. They are unpacked, and not installed: no
# script of theirs is run.
known_packages=(
	nodejs python3-minimal libpython3-stdlib perl php8.2-cli php8.2-fpm php8.2-cgi ruby lua5.1 lua5.2
	lua5.3 lua5.4 luajit lua-socket openjdk-17-jre-headless tcl8.6 erlang-base pypy3 guile-3.0 gawk
	bind9 dnsmasq-base tor squid mosquitto redis-server lighttpd varnish knot knot-resolver dnsdist
	pdns-recursor pdns-server pdns-backend-bind unbound nsd chrony rsyslog syslog-ng-core openvpn
	dropbear-bin stunnel4 sslh haproxy nginx-light apache2-bin vsftpd proftpd-core pure-ftpd
	openssh-server socat ncat netcat-openbsd busybox iperf3 iperf memcached bird2 frr tinyproxy privoxy
	hitch webfs mini-httpd nghttp2-proxy uwsgi-core icecast2 snmpd freeradius isc-dhcp-server atftpd
	tftpd-hpa slapd cups-daemon samba stubby smartdns coturn kamailio mumble-server minidlna
	transmission-daemon openbsd-inetd xinetd ngircd inspircd znc tcpdump arp-scan iputils-arping fping
	hping3 mtr-tiny linuxptp trafficserver rsync git dante-server microsocks yadifa gdnsd dns2tcp
	shadowsocks-libev nats-server etcd-server wireshark-common nethogs arping ike-scan radvd tinc n2n
	tgt nbd-server monit busybox-static
)
form=known
if [ "${CAPWISE_TEST-}" != all ]; then # some of each kind: all take minutes to download, and more to start
	form=known-short
	known_packages=(python3-minimal libpython3-stdlib perl lua5.4 lua-socket gawk dnsmasq-base lighttpd redis-server mosquitto busybox memcached arp-scan iputils-arping rsync)
fi

# fetch ROOT downloads them, and what debian.tar leaves out of those that it has.
fetch() {
	local package
	chroot "$1" apt-get -qq update || return 1
	for package in "${known_packages[@]}"; do # some exclude each other
		chroot "$1" apt-get install -qq --yes --no-install-recommends --download-only "$package" || return 1
	done
	[ $form != known ] || chroot "$1" apt-get install -qq --yes --download-only --reinstall libicu72
}

known() {
	local key package out=$cache/$form root=$stage/$form
	key="${known_packages[*]} $(sha256sum test/e2e/testdata/known.txt "$cache/debian.tar.key") $(declare -f fetch known)"
	! up_to_date "$out" "$key" || return 0
	say "unpacking ${#known_packages[@]} Debian packages, and what they need"
	mkdir -p "$root"
	tar -C "$root" --numeric-owner -xf "$cache/debian.tar"
	mkdir -p "$root"/var/{cache/apt/archives/partial,lib/apt/lists/partial,log/apt}
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	mknod -m 666 "$root/dev/null" c 1 3
	fetch "$root" >"$stage/log" 2>&1 || {
		tail -n 20 "$stage/log" >&2
		return 1
	}
	for package in "$root"/var/cache/apt/archives/*.deb; do
		if [[ $package = */busybox-static_* ]]; then # else it takes the name of the other
			dpkg-deb --fsys-tarfile "$package" | tar -xO ./bin/busybox >"$root/usr/bin/busybox-static"
			chmod 755 "$root/usr/bin/busybox-static"
			continue
		fi
		dpkg-deb --fsys-tarfile "$package" | tar -C "$root" --keep-directory-symlink -x
		rm "$package"
	done
	chroot "$root" ldconfig
	while IFS='|' read -r _ file _ _ caps _; do
		[[ -z $file || ! -e $root$file ]] || setcap "$caps=ep" "$root$file"
	done < <(grep -v '^#' test/e2e/testdata/known.txt)
	rm -rf "$out" "$root"/var/{cache,lib}/apt
	mv "$root" "$out"
	echo "$key" >"$out.key"
}

debian
programs
known
