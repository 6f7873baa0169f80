#!/bin/bash
# suites.sh NAME ... | all
#
# Runs tests that came with servers and with Go, as "go test" does and as
# "capwise build -- go test" does, and compares which fail: capwise must not add
# any. Servers come from servers.sh. A line of results for each goes to stdout.
set -euo pipefail
cd "$(dirname "$0")/../.."
capwise=$PWD/bin/capwise
cache=$PWD/.cache/servers
unset GOOS GOARCH
# The flags of servers.sh: what was compiled for the programs serves here.
export GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0

# name, module, and arguments of "go test": the packages that listen. NATS has all
# of its server in one package, whose tests take an hour; these are of listeners.
suites="
caddy        github.com/caddyserver/caddy/v2    github.com/caddyserver/caddy/v2
coredns      github.com/coredns/coredns         github.com/coredns/coredns/core/dnsserver github.com/coredns/coredns/plugin/forward
nats-server  github.com/nats-io/nats-server/v2  -run=Listen|Ports|ProxyProto|TestMonitorHTTP github.com/nats-io/nats-server/v2/server
telegraf     github.com/influxdata/telegraf     github.com/influxdata/telegraf/plugins/common/socket github.com/influxdata/telegraf/plugins/inputs/statsd github.com/influxdata/telegraf/plugins/inputs/syslog
prometheus   github.com/prometheus/prometheus   github.com/prometheus/prometheus/web
gitea-ssh    gitea.dev                          gitea.dev/modules/ssh
traefik      github.com/traefik/traefik/v3      github.com/traefik/traefik/v3/pkg/server github.com/traefik/traefik/v3/pkg/tcp github.com/traefik/traefik/v3/pkg/udp
go           std                                net syscall os
"

# workplace NAME MODULE changes to where the tests can be run: in a copy, as they
# may write to their folders.
workplace() {
	[ "$2" != std ] || return 0
	cd "$cache/$1" || return
	[ -d source ] || {
		cp -r "$(go list -mod=mod -m -f '{{.Dir}}' "$2")" "source.$$"
		chmod -R u+w "source.$$"
		mv "source.$$" source
	}
	cp go.mod tests.mod
	cp go.sum tests.sum
	go mod edit -replace "$2=./source" tests.mod
	export GOFLAGS="-mod=mod -modfile=tests.mod"
}

# outcome LOG STATUS prints "PACKAGE TEST" of each test that ended so, and the
# package alone where all of it did.
outcome() {
	sed -n -e "s/.*\"Action\":\"$2\",\"Package\":\"\([^\"]*\)\",\"Test\":\"\([^\"]*\)\".*/\1 \2/p" \
		-e "s/.*\"Action\":\"$2\",\"Package\":\"\([^\"]*\)\",\"Elapsed\".*/\1/p" "$1" | sort -u
}

# suite NAME MODULE ARGUMENTS...
suite() (
	name=$1 work=$cache/suites/$1
	mkdir -p "$work"
	workplace "$name" "$2" || exit
	shift 2
	set -- -json -trimpath -vet=off -timeout=20m "$@"
	go test "$@" >"$work/without" 2>"$work/without.err" || :
	"$capwise" build -- go test "$@" >"$work/with" 2>"$work/with.err" || :
	added() { comm -13 <(outcome "$work/without" fail) <(outcome "$work/with" fail); }
	if [ -n "$(added)" ]; then # some depend on how busy the machine is
		"$capwise" build -- go test -count=1 "$@" >"$work/with" 2>"$work/with.err" || :
	fi
	for run in without with; do
		[ -n "$(outcome "$work/$run" pass)" ] || {
			echo "suites.sh: $name: nothing passes $run capwise build" >&2
			tail -n 20 "$work/$run.err" >&2
			exit 1
		}
	done
	printf '%s: %d pass, %d fail; with capwise build %d and %d\n' "$name" "$(outcome "$work/without" pass | grep -c ' ')" \
		"$(outcome "$work/without" fail | grep -c ' ')" "$(outcome "$work/with" pass | grep -c ' ')" "$(outcome "$work/with" fail | grep -c ' ')"
	[ -z "$(added)" ] || {
		printf 'suites.sh: %s: these fail with capwise build only:\n%s\n' "$name" "$(added)" >&2
		exit 1
	}
)

# shellcheck disable=SC2046 # a list of words
[ "$*" != all ] || set -- $(awk 'NF { print $1 }' <<<"$suites")
failed=
for wanted; do
	line=$(awk -v name="$wanted" '$1 == name' <<<"$suites")
	[ -n "$line" ] || {
		echo "suites.sh: no suite $wanted" >&2
		exit 2
	}
	# shellcheck disable=SC2086 # a line of words
	suite $line || failed=yes
done
[ -z "$failed" ]
