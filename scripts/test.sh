#!/bin/bash
# test.sh
#
# All tests, the fast ones first. As root on Debian it installs what they need
# (prepare-debian.sh). Without root, or on another system, the tests that need
# more are left out, and said to be; with CI=true each of those is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$root/.cache/test
rm -rf "$work"
mkdir -p "$work" bin

# say begins a part, and notes when.
say() {
	printf '\n== %s\n' "$*"
	echo "$SECONDS $*" >>"$work/parts"
}

# times prints how long each part took, the longest first.
times() {
	awk -v now="$SECONDS" 'NR > 1 { print begin "\t" name "\t" $1 } { begin = $1; name = substr($0, length($1) + 2) } END { print begin "\t" name "\t" now }' "$work/parts" |
		awk -F'\t' '{ printf "%5d s  %s\n", $3 - $1, $2 }' | sort -rn | head -n 12
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
own || own # some fail where the machine is busy for 20 milliseconds

say "lint"
scripts/lint.sh 2>&1 | tee "$work/lint"
grep 'left out' "$work/lint" >"$work/notes" || true

say "images"
scripts/images.sh
test/e2e/realcases.sh
test/e2e/servers.sh caddy

say "Caddy 2.10.2: its own tests"
test/e2e/suites.sh caddy

export CAPWISE_CADDY_IMAGE=$root/dist/caddy-amd64.tar CAPWISE_COREDNS_IMAGE=$root/dist/coredns-amd64.tar
export CAPWISE_BUILDER_IMAGE=$root/dist/caddy-builder-amd64.tar
gotest "image" image -- ./...
gotest "real runtimes" test/e2e CAPWISE_E2E_RESULTS="$work/e2e" -- -count=1 ./...
