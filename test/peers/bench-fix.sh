#!/bin/bash
# bench-fix.sh
#
# Times capwise fix on an OCI layout, a program of 80 MB with =ep in a gzip layer
# over a base of twice that, beside buildah (from, setcap, commit), umoci (unpack,
# setcap, repack) and skopeo's plain copy; and capwise scan of it beside tar and
# gunzip, which read the same layers. All take turns, with everything in the page
# cache. As root, for buildah.
set -euo pipefail
cd "$(dirname "$0")/../.."
capwise=$PWD/.cache/capwise
program=$PWD/bin/caddy
rounds=${ROUNDS:-5}
work=${TMPDIR:-/tmp}/capwise-bench-fix.$$ # buildah takes no capital letters in it
mkdir "$work"
store=(buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs)
trap 'rm -rf "$work"' EXIT

# image makes the layout: two layers, as two commits.
image() {
	local box root
	box=$("${store[@]}" from scratch)
	root=$("${store[@]}" mount "$box")
	cp -r "$(go env GOROOT)/src" "$root/base"
	"${store[@]}" commit -q --format oci "$box" base >/dev/null
	"${store[@]}" rm "$box" >/dev/null
	box=$("${store[@]}" from --pull-never base)
	root=$("${store[@]}" mount "$box")
	head -c 82000000 <(cat "$program" "$capwise" "$capwise") >"$root/program"
	chmod 755 "$root/program"
	setcap cap_net_bind_service=ep "$root/program"
	"${store[@]}" commit -q --format oci "$box" "oci:$work/plain:v1" >/dev/null
	skopeo copy --dest-compress --dest-compress-format gzip "oci:$work/plain:v1" "oci:$work/image:v1" >/dev/null
}

buildah_fix() {
	local box
	box=$("${store[@]}" from "oci:$work/image:v1")
	setcap cap_net_bind_service=p "$("${store[@]}" mount "$box")/program"
	"${store[@]}" commit -q --format oci "$box" "oci:$work/out-buildah:v1"
	"${store[@]}" rm "$box"
}

umoci_fix() {
	cp -r "$work/image" "$work/out-umoci"
	umoci unpack --image "$work/out-umoci:v1" "$work/bundle"
	setcap cap_net_bind_service=p "$work/bundle/rootfs/program"
	umoci repack --image "$work/out-umoci:v1" "$work/bundle"
	rm -rf "$work/bundle"
}

# The layers, as those read them who do not look for anything.
each_layer() { for blob in "${layers[@]}"; do "$@" "$blob" || return; done; }

# A store without the image is what a pipeline has; only the commands are timed.
cold() { rm -rf "$work/store" "$work/run"; }

# timed NAME COMMAND...
timed() {
	local name=$1 start
	shift
	rm -rf "$work/out-$name"
	start=${EPOCHREALTIME/./}
	"$@" >/dev/null 2>"$work/stderr" || {
		cat "$work/stderr" >&2
		return 1
	}
	echo $((${EPOCHREALTIME/./} - start)) >>"$work/times-$name"
}

image
mapfile -t layers < <(cd "$work/image/blobs/sha256" && for blob in *; do gzip -t "$blob" 2>/dev/null && echo "$PWD/$blob"; done)
[ "${#layers[@]}" = 2 ]
for ((i = 0; i < rounds; i++)); do
	timed capwise "$capwise" fix --mode permitted "oci:$work/image:v1" -o "oci:$work/out-capwise"
	timed auto "$capwise" fix "oci:$work/image:v1" -o "oci:$work/out-auto" # which judges the program, too
	timed skopeo skopeo copy "oci:$work/image:v1" "oci:$work/out-skopeo:v1"
	timed umoci umoci_fix
	cold
	timed buildah buildah_fix
	timed scan "$capwise" scan "oci:$work/image:v1"
	timed tar each_layer tar tvzf
	timed gunzip each_layer gunzip -c
done
median() { sort -n "$work/times-$1" | sed -n "$((rounds / 2 + 1))p"; }
size() { du -sb "$1" | cut -f1; }
old=$(size "$work/image")
own=$(median capwise)
echo "capwise fix --mode permitted: $((own / 1000)) ms, $(($(size "$work/out-capwise") - old)) bytes more"
for peer in auto skopeo umoci buildah; do
	their=$(median "$peer")
	echo "$peer: $((their / 1000)) ms, $((their * 100 / own)) % of capwise's, $(($(size "$work/out-$peer") - old)) bytes more"
done
own=$(median scan)
echo "capwise scan: $((own / 1000)) ms"
for peer in tar gunzip; do
	their=$(median "$peer")
	echo "$peer: $((their / 1000)) ms, $((their * 100 / own)) % of capwise's"
done
