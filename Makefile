# The commands of this project. "make run" and "make test" do all of their
# set-up themselves, on a Debian machine with Go.

.PHONY: run build test test-all test-servers test-kernel test-kernel-qemu test-attack fuzz mutate lint bench images clean help

help:
	@echo 'make run      start Caddy with a page on http://localhost:8080'
	@echo '              PORT=80 for another port, PERMIT=1 to permit it the capability'
	@echo 'make build    bin/capwise, bin/caddy and bin/coredns (make coredns: only that)'
	@echo 'make test     all tests; as root on Debian it installs what they need'
	@echo 'make test-all           these, all generated units, images for the other architecture, and the builder in a second engine'
	@echo 'make test-servers       servers of others, built by capwise build (an hour, 17 GB)'
	@echo 'make test-kernel        the law against this kernel, every case (root; minutes)'
	@echo 'make test-kernel-qemu   the law and the buffers of HTTP/3 on the kernel of Debian 12, in QEMU'
	@echo 'make test-attack        attackers against capwise fix, and hostile input, at length (root; an hour)'
	@echo 'make fuzz     every fuzzer for FUZZ_TIME (1m) each'
	@echo 'make mutate   whether tests notice changes of what decides about privileges (hours)'
	@echo 'make lint     formatting, linters, vulnerabilities'
	@echo 'make bench    speed beside the peers (root)'
	@echo 'make images   the images caddy, coredns and caddy-builder in dist/, without Docker and without root'
	@echo 'make clean    remove what these made'

run: caddy
	@scripts/run.sh

build: capwise caddy coredns

.PHONY: capwise caddy coredns
capwise:
	@scripts/capwise.sh bin/capwise

caddy:
	@mkdir -p bin
	@deploy/caddy/program.sh bin/caddy

coredns: capwise
	@CAPWISE=$(CURDIR)/bin/capwise deploy/coredns/program.sh bin/coredns

test:
	@scripts/test.sh

test-all:
	@scripts/test.sh all

test-servers:
	@test/e2e/test-servers.sh

test-kernel:
	@test/kernel/kernelcheck.sh
	@bin/capwise-kernelcheck -mode full

test-kernel-qemu:
	@test/kernel/kernel-qemu.sh
	@test/kernel/buffers-qemu.sh

test-attack:
	@scripts/test-attack.sh

fuzz:
	@scripts/fuzz.sh

mutate:
	@scripts/mutate.sh

lint:
	@scripts/lint.sh

bench: build
	@test/peers/bench.sh

images:
	@scripts/images.sh

clean:
	rm -rf bin dist .cache
