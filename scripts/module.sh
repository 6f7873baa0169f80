#!/bin/sh
# Runs the go command in a module as a user of that module has it: with the
# versions of its own go.mod instead of the highest that any module of the
# workspace asks for. Until the first tag is published, modules of this
# repository come from this checkout. "tidy" stands for "mod tidy".
#
#   scripts/module.sh caddy build -o ../bin/caddy ./cmd/caddy
#   scripts/module.sh . test ./...
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
module=$1
shift
if [ "$module" = . ]; then
	cd "$root"
	GOWORK=off exec go "$@"
fi
mkdir -p "$root/.cache"
modfile=$root/.cache/$module.mod
up=$(echo "$module" | sed 's|[^/]*|..|g')
mkdir -p "$(dirname "$modfile")"
# Others may be reading them.
{
	cat "$module/go.mod"
	echo "replace github.com/capwise/capwise v0.0.0 => $up"
	sed -n "s|^.*\(github.com/capwise/capwise/\)\([^ ]*\) v0\.0\.0.*|replace \1\2 v0.0.0 => $up/\2|p" "$module/go.mod"
} >"$modfile.$$"
cat "$module/go.sum" >"$modfile.sum.$$" 2>/dev/null || :
mv "$modfile.sum.$$" "${modfile%.mod}.sum"
mv "$modfile.$$" "$modfile"
cd "$root/$module"
verb=$1
shift
case $verb in
tidy)
	GOWORK=off go mod tidy -modfile="$modfile"
	grep -v '^replace github.com/capwise/capwise[ /]' "$modfile" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >go.mod
	cp "${modfile%.mod}.sum" go.sum
	;;
*)
	GOWORK=off exec go "$verb" -modfile="$modfile" "$@"
	;;
esac
