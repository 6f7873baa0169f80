#!/bin/bash
# lint.sh
#
# Formatting, vet, linters and known vulnerabilities, for every module. The
# database of vulnerabilities is asked only where it can be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
modules=(. caddy image test/e2e test/peers)
tools=$root/.cache/tools
database=https://vuln.go.dev

scripts/tools.sh gofumpt golangci-lint govulncheck

unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs "$tools/gofumpt" -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted by gofumpt:\n%s\n' "$unformatted" >&2
	exit 1
fi

# The library promises these systems, and has files of its own for them.
for os in windows darwin freebsd; do
	GOOS=$os scripts/module.sh . vet ./...
done

reachable=
if curl -fsS -m 5 -o /dev/null "$database/index/db.json" 2>/dev/null; then
	reachable=yes
else
	echo "lint.sh: govulncheck left out: its database cannot be reached"
fi

for module in "${modules[@]}"; do
	scripts/module.sh "$module" vet ./...
	# golangci-lint knows no -modfile, so it sees the workspace's versions.
	(cd "$module" && "$tools/golangci-lint" run --config "$root/.golangci.yml" ./...)
	[ -z "$reachable" ] || (cd "$module" && "$tools/govulncheck" ./...)
done
