package shell_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/capwise/capwise/image/shell"
)

// Scripts in the forms that images have: of our own making, with what matters.
const (
	library = `if [ "$(id -u)" = 0 ]; then exec gosu app "$@"; fi; exec "$@"`
	again   = `#!/bin/sh
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
	set -- store "$@"
fi
if [ "$1" = 'store' -a "$(id -u)" = '0' ]; then
	find . \! -user store -exec chown store '{}' +
	exec gosu store "$0" "$@"
fi
mask="$(umask)"
if [ "$mask" = '0022' ]; then umask 0077; fi
exec "$@"`
	functions = `#!/usr/bin/env bash
set -Eeo pipefail
sourced() { [ "${#FUNCNAME[@]}" -ge 2 ] && [ "${FUNCNAME[0]}" = sourced ]; }
help() {
	local arg
	for arg; do
		case "$arg" in
			-'?'|--help|-V) return 0 ;;
		esac
	done
	return 1
}
main() {
	if [ "${1:0:1}" = '-' ]; then set -- base "$@"; fi
	if [ "$1" = base ] && ! help "$@"; then
		prepare
		if [ "$(id -u)" = 0 ]; then exec gosu base "$BASH_SOURCE" "$@"; fi
		if [ -z "$THERE" ]; then fill "$@"; fi
	fi
	exec "$@"
}
if ! sourced; then main "$@"; fi`
	folders = `#!/bin/sh
log() { if [ -z "${QUIET:-}" ]; then echo "$@"; fi; }
if [ "$1" = web ]; then
	if find /entry.d -type f | read v; then
		find /entry.d -type f | sort -V | while read -r f; do
			case "$f" in *.env) . "$f" ;; *.sh) "$f" ;; *) log x ;; esac
		done
	else
		log none
	fi
fi
exec "$@"`
)

func number(n uint32) *uint32 { return &n }

// TestEndings holds what scripts execute at last.
func TestEndings(t *testing.T) {
	for _, tc := range []struct {
		script string
		uid    *uint32
		args   string
		want   string
	}{
		{library, number(0), "/srv -x", "gosu app /srv -x"},
		{library, number(101), "/srv -x", "/srv -x"},
		{library, nil, "/srv", `gosu app /srv if [ "$(id -u)" = 0 ] holds; /srv if [ "$(id -u)" = 0 ] does not hold`},
		{again, number(0), "store", "gosu store /e.sh store"},
		{again, number(0), "--port 80", "gosu store /e.sh store --port 80"},
		{again, number(0), "other", "other"},
		{again, number(101), "store", "store"},
		{functions, number(0), "base", "gosu base /e.sh base"},
		{functions, number(0), "-c 5", "gosu base /e.sh base -c 5"},
		{functions, number(0), "base --help", "base --help"},
		{functions, number(70), "base", "base"},
		{folders, number(0), "web -g", "web -g"},
		{`umask 022; exec /opt/prog`, nil, "", "/opt/prog"},
		{`caddy run`, nil, "", "caddy run"},
		{`cd /x && ./server --port 80`, nil, "", "./server --port 80"},
		{`echo hi; web -g 'daemon off;'`, nil, "", "web -g daemon|off;"},
		{`exec 3>&1; exec web`, nil, "", "web"},
		{`exec -a name web`, nil, "", "web"},
		{`exec "${@}"`, nil, "a b", "a b"},
		{`exec ${1+"$@"}`, nil, "a b", "a b"},
		{`shift; exec "$@"`, nil, "a b", "b"},
		{`case "$1" in -*|serve) set -- web "$@";; sh) exec "$@";; esac; exec tini -- "$@"`, nil, "serve", "tini -- web serve"},
		{`case $KIND in a) exec one;; *) exec two;; esac`, nil, "", "one if a case of /e.sh applies; two"},
		{`P=/opt/web; exec $P --x`, nil, "", "/opt/web --x"},
		{`P=web; P=/opt/$P; exec $P --x`, nil, "", "/opt/web --x"},
		{`P=web; [ -n "$Q" ] && P=$Q; exec $P`, nil, "", `nothing if [ -n "$Q" ] holds; web if [ -n "$Q" ] does not hold`},
		{`whoami | grep -q root && exec gosu web srv; exec srv`, nil, "", "gosu web srv if a command of /e.sh succeeds; srv if a command of /e.sh fails"},
		{`[[ $(id -u) -eq 0 && $1 == srv ]] && exec gosu web "$@"; exec "$@"`, number(0), "srv", "gosu web srv"},
		{`f() { return 1; }; if f; then exec a; else exec b; fi`, nil, "", "b"},
		{`f() { if [ "$1" = x ]; then return; fi; exec b; }; f x; exec a`, nil, "", "a"},
		{`false || exec b`, nil, "", "b"},
		{`test "$1" = a && exec b`, nil, "a", "b"},
		{`exec $PROGRAM`, nil, "", "nothing"},
		{`a | b`, nil, "", "nothing"},
		{`srv & wait`, nil, "", "nothing"},
		{`while true; do srv; done`, nil, "", "nothing"},
		{`(exec srv)`, nil, "", "nothing"},
		{`. /etc/env`, nil, "", "nothing"},
		{`exit 1`, nil, "", ""},
		{`if; then`, nil, "", ""},
		{strings.Repeat("f() { f; f; }; f; ", 20), nil, "", "nothing"},
		{`[ -n "$A" ] && a=1; [ -n "$B" ] && b=1; [ -n "$C" ] && c=1; [ -n "$D" ] && d=1; [ -n "$E" ] && e=1; [ -n "$F" ] && f=1; [ -n "$G" ] && g=1; exec x`, nil, "", ""}, // 128 ways
		{`for a in 1 2 3 4 5 6 7 8 9; do for b in 1 2 3 4 5 6 7 8 9; do for c in 1 2 3 4 5 6 7 8 9; do for d in 1 2 3 4 5 6 7 8 9; do for e in 1 2 3 4 5 6 7 8 9; do echo; done; done; done; done; done; exec x`, nil, "", ""},
	} {
		var got []string
		for _, e := range (shell.Scripts{}).Endings(tc.script, append([]string{"/e.sh"}, strings.Fields(tc.args)...), tc.uid) {
			words := []string{"nothing"}
			if e.Args != nil {
				words = nil
				for _, a := range e.Args {
					words = append(words, strings.ReplaceAll(a, " ", "|"))
				}
			}
			if e.If != "" && e.If != "otherwise" {
				words = append(words, "if "+e.If)
			}
			got = append(got, strings.Join(words, " "))
		}
		if text := strings.Join(got, "; "); text != tc.want {
			t.Errorf("%s\n%s:\ngot  %s\nwant %s", tc.script, tc.args, text, tc.want)
		}
	}
}

// TestDeep holds that a script cannot make its reader work for long.
func TestDeep(t *testing.T) {
	for _, part := range []string{"$(", "(", "{ ", "if a; then ", "${a:-", "[[ ( ", "a && ", "x() { "} {
		script := "exec " + strings.Repeat(part, (64<<10)/len(part))
		if got := (shell.Scripts{}).Endings(script, []string{"/e.sh"}, nil); len(got) > 1 {
			t.Errorf("%q: got %d endings", part, len(got))
		}
	}
}

// FuzzEndings holds that whatever a script is, it is read to an end.
func FuzzEndings(f *testing.F) {
	for _, script := range []string{library, again, functions, folders} {
		f.Add(script, "web")
	}
	f.Fuzz(func(_ *testing.T, script, arg string) {
		for _, e := range (shell.Scripts{}).Endings(script, []string{"/e.sh", arg}, number(0)) {
			_ = fmt.Sprint(e)
		}
	})
}
