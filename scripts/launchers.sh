#!/bin/sh
# launchers.sh [FOLDER [FLAG ...]]
#
# Builds the launcher for every architecture, as FOLDER/ARCH.gz, by default
# where the command line embeds them from. The same Go gives the same bytes. Each
# FLAG is another one of "go build".
#
# capwise_exact and checklinkname go together: the launcher looks into the Go
# runtime for what the process was started with (internal/sys).
set -eu
cd "$(dirname "$0")/.."
out=${1:-cmd/capwise/internal/launchers/bin}
[ $# = 0 ] || shift
mkdir -p "$out" .cache
stage=$(mktemp -d .cache/launchers.XXXXXX)
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for arch in amd64 arm64 arm ppc64le riscv64 s390x; do
	env GOFLAGS= GOWORK=off GOEXPERIMENT= CGO_ENABLED=0 GOOS=linux GOARCH="$arch" \
		GOAMD64=v1 GOARM64=v8.0 GOARM=7 GOPPC64=power8 GORISCV64=rva20u64 \
		go build -trimpath -buildvcs=false -tags capwise_exact -ldflags '-s -w -buildid= -checklinkname=0' \
		-o "$stage/$arch" "$@" ./launch/cmd/capwise-launcher
	# A reader never finds it half written, and what is unchanged keeps its time.
	gzip -9n "$stage/$arch"
	cmp -s "$stage/$arch.gz" "$out/$arch.gz" || mv "$stage/$arch.gz" "$out/$arch.gz"
done
