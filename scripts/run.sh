#!/bin/bash
# run.sh
#
# Starts bin/caddy with a page of ours: as root, as an unprivileged user with
# nothing permitted and an empty bounding set; otherwise as the caller.
#
# PORT=N     the port, 8080 if unset
# PERMIT=1   give the program's file cap_net_bind_service=p (needs root)
set -euo pipefail
cd "$(dirname "$0")/.."
port=${PORT:-8080}
permit=${PERMIT:-}
user=65532

dir=$(mktemp -d "${TMPDIR:-/tmp}/capwise-run.XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
# A copy, since an unprivileged user may not get to this checkout, and since
# file capabilities belong on a file that nobody rebuilds meanwhile.
install -m 0755 bin/caddy "$dir/caddy"
install -m 0644 deploy/run/index.html "$dir/index.html"
cat >"$dir/Caddyfile" <<END
{
	persist_config off
}
http://localhost:$port {
	bind 127.0.0.1
	root $dir
	file_server {
		hide caddy Caddyfile data
	}
}
END
mkdir "$dir/data"
export XDG_DATA_HOME=$dir/data XDG_CONFIG_HOME=$dir/data HOME=$dir/data

start=()
if [ "$(id -u)" = 0 ]; then
	chown "$user:$user" "$dir/data"
	bounding=-all
	if [ -n "$permit" ]; then
		setcap cap_net_bind_service=p "$dir/caddy"
		bounding=-all,+net_bind_service
	fi
	start=(setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all --bounding-set="$bounding")
	echo "starting as user $user; bounding set: $bounding; file capabilities: $(getcap "$dir/caddy" | grep -o 'cap_.*' || echo none)"
elif [ -n "$permit" ]; then
	echo "PERMIT=1 needs root, to set the file capability: sudo make run PORT=$port PERMIT=1" >&2
	exit 1
fi

echo
echo "What it may bind (caddy capabilities):"
"${start[@]}" "$dir/caddy" capabilities --config "$dir/Caddyfile" 2>/dev/null || true
cat <<END

Try, in another terminal:
  curl -fsS http://localhost:$port/
  curl -fsS http://localhost:2019/capabilities    the same answer from the running server
and, after Ctrl-C here:
  make run PORT=80              nothing permitted: the error says which condition failed
  make run PORT=80 PERMIT=1     (root) the file carries +p: served, and no thread keeps the capability

END
"${start[@]}" "$dir/caddy" run --config "$dir/Caddyfile" &
caddy=$!
trap 'kill "$caddy" 2>/dev/null || true' INT TERM
code=0
wait "$caddy" || code=$?
wait "$caddy" 2>/dev/null || true
exit "$code"
