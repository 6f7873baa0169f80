#!/bin/bash
# servers.sh NAME ... | all
#
# Builds servers that nobody here wrote, with capwise build, and an image of each
# with this project's image writer, in .cache/servers/NAME:
#
#	go.mod      the server's own, under another name, with the server itself required
#	NAME        the program
#	plain       the same without capwise, to compare sizes (with PLAIN=1)
#	NAME-amd64.tar   the image: the program with cap_net_bind_service=p, and /tmp
#
# So the sources stay in the module cache, as they were published, and versions
# and replacements are those that their authors build with. What is up to date is
# known by Go's build cache. bin/capwise must be there.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
cache=$root/.cache/servers
mkdir -p "$cache"
unset GOOS GOARCH
export GOWORK=off GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0

# name package module version, flags
servers="
caddy        github.com/caddyserver/caddy/v2/cmd/caddy        github.com/caddyserver/caddy/v2     v2.10.2   -tags=nobadger,nomysql,nopgx
coredns      github.com/coredns/coredns                       github.com/coredns/coredns          v1.15.0
nats-server  github.com/nats-io/nats-server/v2                github.com/nats-io/nats-server/v2   v2.15.2
telegraf     github.com/influxdata/telegraf/cmd/telegraf      github.com/influxdata/telegraf      v1.37.2   -tags=custom,inputs.statsd,inputs.syslog,outputs.file,serializers.influx
prometheus   github.com/prometheus/prometheus/cmd/prometheus  github.com/prometheus/prometheus    v0.316.0
gitea-ssh    .                                                gitea.dev                           v1.27.3
traefik      github.com/traefik/traefik/v3/cmd/traefik        github.com/traefik/traefik/v3       v3.6.12
loki         github.com/grafana/loki/v3/cmd/loki              github.com/grafana/loki/v3          v3.7.8
"

say() { echo "servers.sh: $*" >&2; }

# published MODULE is where the module proxy has it. Gitea 1.27 calls itself
# gitea.dev, and is found under its former name.
published() { echo "${1/#gitea.dev/code.gitea.io\/gitea}"; }

# module NAME MODULE VERSION writes go.mod and go.sum.
module() {
	local name=$1 module=$2 version=$3 there dir
	there=$(published "$module")
	dir=$(cd "$cache" && go mod download -json "$there@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	[ -n "$dir" ] || {
		say "$there@$version cannot be had"
		return 1
	}
	install -m 0644 "$dir/go.mod" "$dir/go.sum" .
	# A replacement by a folder is another module, which is not in this one's archive.
	sed -i -e '/=> \.\//d' -e 's/^module .*/module servers.test\/'"$name"'/' go.mod
	go mod edit -require "$module@$version"
	[ "$there" = "$module" ] || go mod edit -replace "$module=$there@$version"
}

# extend NAME adds what one of them needs besides.
extend() {
	case $1 in
	gitea-ssh) # a program around the package, since Gitea as a whole wants git and a database
		cat >main.go <<-'GO'
			// Command gitea-ssh is Gitea's SSH server: gitea-ssh PORT.
			package main

			import (
				"context"
				"log"
				"os"
				"strconv"

				"gitea.dev/modules/graceful"
				"gitea.dev/modules/setting"
				"gitea.dev/modules/ssh"
			)

			func main() {
				port, err := strconv.Atoi(os.Args[1])
				if err != nil {
					log.Fatal(err)
				}
				graceful.InitManager(context.Background())
				setting.SSH.ServerHostKeys = []string{"/tmp/ssh/gitea.rsa"}
				ssh.Listen("", port, nil, nil, nil)
				select {}
			}
		GO
		;;
	traefik) # a folder for additions, whose types are empty in what Traefik publishes
		mkdir -p ext
		echo 'module github.com/traefik/traefik/dynamic/ext' >ext/go.mod
		printf 'package ext\n\ntype HTTP struct{}\n\ntype Router struct{}\n' >ext/ext.go
		go mod edit -replace github.com/traefik/traefik/dynamic/ext=./ext
		;;
	esac
}

# pack NAME MODULE writes the image.
pack() {
	local name=$1 stage key
	key=$(sha256sum "$name" "$cache/capwise-image")
	[ ! -f "$name-amd64.tar" ] || [ "$(cat "$name-amd64.tar.key" 2>/dev/null)" != "$key" ] || return 0
	stage=$(mktemp -d "$cache/stage.XXXXXX")
	mkdir -p "$stage/usr/bin" "$stage/tmp"
	chmod 0755 "$stage"
	chmod 1777 "$stage/tmp"
	install -m 0755 "$name" "$stage/usr/bin/$name"
	cat >image.json <<-JSON
		{
			"name": "$name", "tag": "capwise-servers/$name:\${VERSION}", "program": "/usr/bin/$name", "module": "$2",
			"config": {"Env": ["PATH=/usr/bin", "HOME=/tmp"], "Cmd": ["$name"]}
		}
	JSON
	"$cache/capwise-image" -spec image.json -out out -root "amd64=$stage"
	mv "out/$name-amd64.tar" .
	echo "$key" >"$name-amd64.tar.key"
	rm -rf out "$stage"
}

build() {
	local name=$1 package=$2 module=$3 version=$4
	shift 4
	say "$name $version"
	mkdir -p "$cache/$name"
	cd "$cache/$name"
	module "$name" "$module" "$version"
	extend "$name"
	set -- -trimpath -ldflags='-s -w' "$@"
	"$root/bin/capwise" build --no-setcap "$@" -o "$name" "$package"
	[ -z "${PLAIN:-}" ] || go build "$@" -o plain "$package"
	pack "$name" "$module"
	cd "$root"
}

# shellcheck disable=SC2046 # a list of words
[ "$*" != all ] || set -- $(awk 'NF { print $1 }' <<<"$servers")
(cd "$root" && GOFLAGS='' scripts/module.sh image build -trimpath -o "$cache/capwise-image" ./cmd/capwise-image)
for wanted; do
	line=$(awk -v name="$wanted" '$1 == name' <<<"$servers")
	[ -n "$line" ] || {
		say "no server $wanted"
		exit 2
	}
	# shellcheck disable=SC2086 # a line of words
	build $line
done
