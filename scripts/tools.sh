#!/bin/bash
# tools.sh NAME ...
#
# Builds the named development tools, in the versions of tools/go.mod, into
# .cache/tools. It does nothing for those that are there already, newer than
# these versions and built by this Go: linters refuse code of a newer one.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/.cache/tools
mkdir -p "$out"
cd "$root/tools"
export GOWORK=off GOFLAGS='' GOOS='' GOARCH=''
for name; do
	if [ "$out/$name" -nt go.sum ] && [[ "$(go version "$out/$name")" == *": $(go env GOVERSION)" ]]; then
		continue
	fi
	package=$(go list -f '{{.ImportPath}}' tool | grep "/$name\$") || {
		echo "tools.sh: $name is not a tool of tools/go.mod" >&2
		exit 1
	}
	echo "tools.sh: building $name" >&2
	cgo=0
	[ "$name" != vale ] || cgo=1 # its parsers are in C
	CGO_ENABLED=$cgo go build -trimpath -o "$out/$name.$$" "$package"
	mv "$out/$name.$$" "$out/$name"
done
