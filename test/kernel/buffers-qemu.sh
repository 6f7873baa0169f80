#!/bin/bash
# buffers-qemu.sh
#
# Whether quic-go's warning of small buffers goes where Caddy's module "buffers"
# works, on a machine whose sysctls are the kernel's own, 208 KiB: many have raised
# them, and there is no warning then. So this boots Debian 12's kernel under QEMU,
# and Caddy in it as user 65532 with and without the module, and with and without
# CAP_NET_ADMIN. See qemu.sh.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=qemu.sh
. test/kernel/qemu.sh

suite bookworm
kernel linux-image-amd64
make -s caddy
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
root=$stage/root
unpack busybox-static "$root"
unpack libcap2-bin "$root"
unpack libcap2 "$root"
unpack libc6 "$root"
install bin/caddy "$root/caddy"
mkdir -p "$root/dev" "$root/etc" "$root/proc" "$root/tmp"
echo caddy:x:65532:65532::/tmp:/bin/sh >"$root/etc/passwd"
chmod 1777 "$root/tmp"
cat >"$root/with" <<'END'
{
	skip_install_trust
	admin off
	servers {
		packet_conn_wrappers {
			buffers
		}
	}
}
https://localhost {
	tls internal
}
END
grep -v -e packet_conn_wrappers -e buffers -e '^		}' "$root/with" >"$root/without"
cat >"$root/init" <<'END'
#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/sbin HOME=/tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
ip link set lo up
# try CAPABILITIES CADDYFILE
try() {
	: >/tmp/log
	setcap "$1=p" /caddy
	start-stop-daemon -S -c caddy -x /caddy -- run --config "$2" --adapter caddyfile >/tmp/log 2>&1 &
	tries=0
	until grep -q 'serving initial configuration' /tmp/log || [ $tries = 300 ]; do
		sleep 1
		tries=$((tries + 1))
	done
	warning=$(grep -o 'failed to [a-z ]*increase receive buffer size ([^)]*)' /tmp/log)
	effective=$(cat /proc/$!/task/*/status | sed -n 's/^CapEff:[^0-9a-f]*//p' | sort -u)
	grep -q 'serving initial configuration' /tmp/log || { warning='does not start' && cat /tmp/log; }
	echo "$2, $1=p, then effective $effective: ${warning:-no warning}"
	kill $!
	wait
}
echo "rmem_max $(cat /proc/sys/net/core/rmem_max)"
try cap_net_bind_service,cap_net_admin /with
try cap_net_bind_service /with
try cap_net_bind_service,cap_net_admin /without
reboot -f
END
chmod 755 "$root/init"

say "booting $kernel"
boot "$kernel" "$root" | tee "$stage/log"
said() { grep -Eq "$1" "$stage/log" || { say "want: $1" && exit 1; }; }
small='then effective 0+: failed to (sufficiently )?increase receive buffer size \(.*, got:? 416 kiB\)$'
said '^/with, cap_net_bind_service,cap_net_admin=p, then effective 0+: no warning$'
said "^/with, cap_net_bind_service=p, $small"
said "^/without, cap_net_bind_service,cap_net_admin=p, $small"
