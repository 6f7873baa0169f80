#!/bin/sh
# tools.sh NAME ...
#
# Builds the named development tools, in the versions of tools/go.mod, into
# .cache/tools. It does nothing for those that are there already.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/.cache/tools
mkdir -p "$out"
cd "$root/tools"
for name; do
	if [ -x "$out/$name" ] && [ "$out/$name" -nt go.sum ]; then
		continue
	fi
	package=$(GOWORK=off go list -f '{{.ImportPath}}' tool | grep "/$name\$") || {
		echo "tools.sh: $name is not a tool of tools/go.mod" >&2
		exit 1
	}
	echo "tools.sh: building $name" >&2
	GOWORK=off CGO_ENABLED=0 GOFLAGS= go build -o "$out/$name" "$package"
	touch "$out/$name"
done
