#!/bin/sh
# known.sh ROOT FILE CAPS PORT SECONDS COMMAND
#
# Starts COMMAND, a line for sh, as user 65534 in a copy of the file system ROOT, in which
# FILE carries CAPS ("none" for nothing), and in a network namespace of its own, where
# ports below 1024 are privileged. It prints
#
#	bound        something listens on PORT within SECONDS
#	exit CODE    COMMAND has ended before
#	silent       neither
#
# and then what COMMAND has printed. PORT 0 waits for the end. Run it in namespaces of
# its own, so that all ends with it:
#
#	unshare --net --mount --pid --fork --kill-child --propagation private known.sh ...
set -eu
root=$1 file=$2 caps=$3 port=$4 seconds=$5 command=$6
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mount -t proc proc proc
mount --bind /dev dev
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=1777 tmpfs run
for name in nobody _chrony Debian-exim frr; do echo "$name:x:65534:65534::/tmp:/bin/sh"; done >>etc/passwd
for name in nogroup Debian-exim frr frrvty; do echo "$name:x:65534:"; done >>etc/group
echo 'http 80/tcp' >>etc/services
ip link set lo up
ip link add if0 type veth peer name if1
ip address add 192.0.2.1/24 dev if0
ip link set if0 up
ip link set if1 up
echo 1024 >/proc/sys/net/ipv4/ip_unprivileged_port_start
echo '1 0' >/proc/sys/net/ipv4/ping_group_range

case $caps in
none) setcap -r "./$file" ;;
*) setcap "$caps" "./$file" ;;
esac

touch /mnt/out
chown 65534 /mnt/out # for those that open /dev/stderr
env -i HOME=/tmp LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups \
	/bin/sh -c "cd /tmp; $command" </dev/null >/mnt/out 2>&1 &
pid=$!

hex=$(printf ':%04X' "$port")
# listens: a TCP socket that listens, a UDP or raw socket that is bound.
listens() {
	awk -v port="$hex" 'FNR > 1 && substr($2, length($2) - 4) == port && (FILENAME ~ /tcp/ ? $4 == "0A" : $4 == "07") { found = 1 } END { exit !found }' \
		/mnt/root/proc/net/tcp /mnt/root/proc/net/tcp6 /mnt/root/proc/net/udp /mnt/root/proc/net/udp6
}
result=silent
end=$(($(date +%s) + seconds))
while [ "$(date +%s)" -lt $end ]; do
	if [ "$port" != 0 ] && listens; then
		result=bound
		break
	fi
	if ! kill -0 $pid 2>/dev/null || grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; then
		code=0
		wait $pid || code=$?
		if [ "$port" != 0 ]; then
			sleep 0.3 # a daemon goes on in the background
			listens && result=bound && break
		fi
		result="exit $code"
		break
	fi
	sleep 0.05
done
echo "$result"
head -c 4000 /mnt/out
