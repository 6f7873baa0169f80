#!/bin/sh
# kernelcheck.sh [PROGRAM]
#
# Builds the checker of the law, one static program, into bin/capwise-kernelcheck
# or PROGRAM, and with it the C programs that it carries. With PROGRAM "-" it
# compiles only those, which is what tests of test/kernel need. It needs gcc and
# the headers of a C library.
set -eu
cd "$(dirname "$0")/../.."
src=test/kernel/agent/src

# newer FILE: whether it is newer than all C sources.
newer() { [ -e "$1" ] && [ -z "$(find "$src" -name '*.[ch]' -newer "$1")" ]; }

command -v gcc >/dev/null || {
	echo "kernelcheck.sh: gcc is missing; as root on Debian, scripts/prepare-debian.sh installs it" >&2
	exit 1
}

# compile NAME FLAGS: a reader never finds it half written.
compile() {
	name=$1
	shift
	newer "$src/$name" && return
	gcc -std=gnu11 -Wall -Wextra -Werror -static -s "$@" -o ".cache/$name.$$" "$src/$name.c"
	mv ".cache/$name.$$" "$src/$name"
}

mkdir -p bin .cache
compile agent -O2
# The target has no C library, no sections but its code, and so starts fastest.
compile target -Os -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
	-Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro

program=${1:-bin/capwise-kernelcheck}
[ "$program" != - ] || exit 0
case $program in
/*) ;;
*) program=$PWD/$program ;;
esac
CGO_ENABLED=0 scripts/module.sh test/kernel build -trimpath -ldflags '-s -w' -o "$program" ./cmd/capwise-kernelcheck
