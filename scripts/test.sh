#!/bin/bash
# test.sh [all]
#
# All tests, the fast ones first. As root on Debian it installs what they need
# (prepare-debian.sh). Without root, or on another system, the tests that need
# more are left out, and said to be; with CI=true each of those is a failure.
#
# With "all" also what is rare: all generated units, images for the other architecture, and the builder's
# image in a second engine.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$root/.cache/test
rm -rf "$work"
mkdir -p "$work" bin

all=${1:-}
arch=$(go env GOARCH)
cache=$(go env GOCACHE)

# compiled counts what Go's cache holds: what a part adds, it has compiled.
compiled() { find "$cache" -maxdepth 2 -name '*-d' -newer "$work/begun" 2>/dev/null | wc -l; }
touch "$work/begun"

# say begins a part, and notes when, and how much was compiled before.
say() {
	printf '\n== %s\n' "$*"
	echo "$SECONDS $(compiled) $*" >>"$work/parts"
}

# times prints how long each part took, and how much it compiled, the longest first.
times() {
	{
		cat "$work/parts"
		echo "$SECONDS $(compiled)"
	} | awk 'NR > 1 { n = $2 - objects; printf "%5d s  %-9s  %s\n", $1 - begin, (n > 20 ? "compiled" : "cached"), name }
		{ begin = $1; objects = $2; name = $0; sub(/^[0-9]+ [0-9]+ /, "", name) }' | sort -rn | head -n 15
}

# summary is printed however the tests end.
summary() {
	local code=$?
	if [ -s "$work/e2e" ]; then
		say "real runtimes"
		cat "$work/e2e"
	fi
	if [ -s "$work/attacks" ]; then
		say "attacks on capwise fix, the short form (make test-attack has the long one)"
		cat "$work/attacks"
	fi
	if [ -s "$work/notes" ]; then
		say "left out"
		cat "$work/notes"
	fi
	if [ -s "$work/retried" ]; then
		say "failed once, and passed when they were tried again"
		cat "$work/retried"
	fi
	took=$(times)
	say "where the time went"
	echo "$took"
	say "all tests, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
	count() { cat "$work"/*.json 2>/dev/null | grep -c "\"Action\":\"$1\".*\"Test\":" || true; }
	echo "$(count pass) passed, $(count fail) failed, $(count skip) skipped"
	exit "$code"
}
trap summary EXIT

# Everything is compiled with this flag, so that nothing is compiled without it too.
export GOFLAGS=-trimpath

# gotest NAME MODULE [VARIABLE=VALUE ...] -- ARGUMENTS
#
# Runs the tests of a module, with the versions of its own go.mod. With the
# word "injected" among the variables they are built by "capwise build". What "go
# test" would vet, all dependencies included, lint.sh vets with more checks.
gotest() {
	local name=$1 module=$2 variables=() with=()
	shift 2
	while [ "$1" != -- ]; do
		case $1 in
		injected) with=("$CAPWISE" build --) ;;
		*) variables+=("$1") ;;
		esac
		shift
	done
	shift
	say "$name"
	env "${variables[@]}" "${with[@]}" "$root/.cache/tools/gotestsum" --format pkgname --jsonfile "$work/${name//[^a-z0-9]/-}.json" \
		--raw-command -- scripts/module.sh "$module" test -json -vet=off -timeout 20m "$@"
}

scripts/prepare-debian.sh
scripts/tools.sh gotestsum

gotest "library, without cgo" . CGO_ENABLED=0 -- ./...
gotest "library, with cgo" . CGO_ENABLED=1 -- .
test/kernel/kernelcheck.sh -
gotest "law against this kernel" test/kernel CGO_ENABLED=0 -- -count=1 ./...
grep -o '[0-9]* cases compared[^"\\]*' "$work/law-against-this-kernel.json" || true
gotest "library, race detector" . CGO_ENABLED=1 -- -race -parallel 16 . ./capset ./cred ./diagnose ./filecap ./scan
gotest "peers: setcap, getcap, libcap" test/peers -- ./...

scripts/launchers.sh
gotest "command line" cmd/capwise CGO_ENABLED=0 -- ./...

say "programs"
scripts/capwise.sh bin/capwise
export CAPWISE=$root/bin/capwise
deploy/caddy/program.sh bin/caddy
mkdir -p .cache/upstream
deploy/caddy/program.sh .cache/upstream/caddy "$(go env GOARCH)" github.com/caddyserver/caddy/v2/cmd/caddy
export CAPWISE_CADDY=$root/bin/caddy CAPWISE_UPSTREAM_CADDY=$root/.cache/upstream/caddy
bin/caddy version
deploy/coredns/program.sh bin/coredns
export CAPWISE_COREDNS=$root/bin/coredns
bin/coredns -version

gotest "attacks" test/attack CAPWISE_ATTACK_RESULTS="$work/attacks" -- -count=1 ./...

# With the flags of program.sh, so that Caddy is not compiled a second time.
gotest "caddy" caddy CGO_ENABLED=0 -- -count=1 -tags nobadger,nomysql,nopgx ./...
gotest "coredns" coredns CGO_ENABLED=0 injected -- -count=1 -tags grpcnotrace ./...

# CoreDNS' own tests of what listens have to pass with a standard library that
# raises. They build as program.sh does.
own() {
	gotest "coredns: its own tests, by capwise build" coredns CGO_ENABLED=0 injected -- \
		-tags grpcnotrace github.com/coredns/coredns/core/dnsserver github.com/coredns/coredns/plugin/forward
}
own || { # some fail where the machine is busy for 20 milliseconds
	echo "coredns: its own tests, by capwise build" >>"$work/retried"
	own
}

say "lint"
scripts/lint.sh 2>&1 | tee "$work/lint"
grep 'left out' "$work/lint" >"$work/notes" || true

say "images"
if [ "$all" = all ]; then
	scripts/images.sh
	export CAPWISE_TEST=all
else
	ARCHES=$arch scripts/images.sh
fi
test/e2e/realcases.sh
test/e2e/servers.sh caddy

say "Caddy 2.10.2: its own tests"
test/e2e/suites.sh caddy

export CAPWISE_CADDY_IMAGE=$root/dist/caddy-$arch.tar CAPWISE_COREDNS_IMAGE=$root/dist/coredns-$arch.tar
export CAPWISE_BUILDER_IMAGE=$root/dist/caddy-builder-$arch.tar
gotest "image" image -- ./...
gotest "real runtimes" test/e2e CAPWISE_E2E_RESULTS="$work/e2e" CAPWISE_E2E_UNITS="$all" -- -count=1 ./...
