#!/bin/bash
# lint.sh [MODULE ...]
#
# Formatting, linters (go vet, as golangci-lint's govet, is one of them) and known
# vulnerabilities, for the named modules or for all, each with the versions of its
# own go.mod; go vet itself for what else than this machine's Linux code is compiled
# for. Vale checks the prose of README, docs and the like (docs/style.md). The database
# of vulnerabilities is asked only where it can be reached, and the shell scripts are
# looked at only where shellcheck is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
tools=$root/.cache/tools
database=https://vuln.go.dev
[ $# -gt 0 ] || set -- . caddy cmd/capwise coredns image test/attack test/e2e test/kernel test/peers

# workspace MODULE prints the file of a workspace that holds this module alone.
# It stands for module.sh, whose -modfile the linters do not understand.
workspace() {
	if [ "$1" = . ]; then
		echo off
		return
	fi
	local file=$root/.cache/lint/$1.work
	mkdir -p "$(dirname "$file")"
	{
		printf 'go %s\n\nuse "%s"\n\nreplace github.com/capwise/capwise v0.0.0 => "%s"\n' \
			"$(sed -n 's/^go //p' "$1/go.mod")" "$root/$1" "$root"
		sed -n "s|^.*\(github.com/capwise/capwise/\)\([^ ]*\) v0\.0\.0.*|replace \1\2 v0.0.0 => \"$root/\2\"|p" "$1/go.mod"
	} >"$file.$$"
	mv "$file.$$" "$file"
	echo "$file"
}

scripts/tools.sh gofumpt golangci-lint govulncheck vale

failed=
unformatted=$(find "$@" -name '.?*' -prune -o -name '*.go' -print0 | xargs -0 "$tools/gofumpt" -l | sort -u)
if [ -n "$unformatted" ]; then
	printf 'lint.sh: not formatted by gofumpt:\n%s\n' "$unformatted" >&2
	failed=yes
fi

reachable=
if curl -fsS -m 5 -o /dev/null "$database/index/db.json" 2>/dev/null; then
	reachable=yes
else
	echo "lint.sh: govulncheck left out: its database, $database, cannot be reached"
fi

for module; do
	cd "$root"
	GOWORK=$(workspace "$module")
	export GOWORK
	cd "$module"
	# The flags of program.sh: what was compiled for the programs serves here.
	flags=-trimpath
	case $module in
	caddy) flags='-trimpath -tags=nobadger,nomysql,nopgx' ;;
	coredns) flags='-trimpath -tags=grpcnotrace' ;;
	esac
	export GOFLAGS=$flags CGO_ENABLED=0
	"$tools/golangci-lint" run --allow-serial-runners --config "$root/.golangci.yml" ./... || failed=yes
	if [ "$module" = . ]; then
		for system in darwin/arm64 freebsd/amd64 windows/amd64; do # TestBuildsEverywhere compiles for these
			GOOS=${system%/*} GOARCH=${system#*/} go vet ./... || failed=yes
		done
		# What is built for the launcher only.
		go vet -tags capwise_exact ./internal/sys ./launch/... || failed=yes
		"$tools/golangci-lint" run --allow-serial-runners --config "$root/.golangci.yml" --build-tags capwise_exact ./internal/sys ./launch/... || failed=yes
	fi
	[ -z "$reachable" ] || "$tools/govulncheck" ./... || failed=yes
done

cd "$root"
if command -v shellcheck >/dev/null; then
	grep -rlE '^#!/bin/(ba)?sh' scripts test deploy .ci | xargs shellcheck -x || failed=yes
fi
prose=(README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md docs)
"$tools/vale" --output=line "${prose[@]}" || failed=yes
"$tools/vale" --config=docs/.vale/sentences.ini --output=line "${prose[@]}" || failed=yes
[ -z "$failed" ]
