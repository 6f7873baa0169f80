// Package e2e starts the distributions, Caddy and CoreDNS, under the real thing:
// Docker, Podman with runc, Podman with crun, and systemd as PID 1; and as plain
// processes for reloads, for HTTPS and for DNS over every protocol. There is no mock of a kernel
// or of a runtime in here.
//
// Run it as root:
//
//	go test -count=1 ./...
//
// (-count=1 because Go does not notice new artifacts outside of the module, and
// would repeat the old result.)
//
// The test binary moves itself into namespaces of its own (pid, mount, network,
// ipc) with a tmpfs for every file that a runtime writes. When it ends, however
// it ends, the kernel takes down all processes, mounts, networks and files.
// Only cgroups outlive that, and the process left outside removes them.
//
// # What the machine must have
//
// Debian 12 with the packages docker.io iptables podman runc crun conmon systemd
// dbus iproute2 util-linux mount libcap2-bin curl bind9-dnsutils, and Go.
// The real programs of TestRealCases come from test/e2e/realcases.sh, which wants debootstrap,
// the servers of TestServers from test/e2e/servers.sh.
// A test that misses one of them is skipped by that name, and fails where the
// environment has CI=true.
//
// # What is tested
//
// Five variables name the artifacts; `make test` sets them.
//
//	CAPWISE_CADDY           our Caddy, static, linux/amd64   (../../bin/caddy)
//	CAPWISE_CADDY_IMAGE     our image as docker-archive, +p  (../../dist/caddy-amd64.tar)
//	CAPWISE_COREDNS         our CoreDNS, likewise            (../../bin/coredns)
//	CAPWISE_COREDNS_IMAGE   its image, likewise              (../../dist/coredns-amd64.tar)
//	CAPWISE_UPSTREAM_CADDY  upstream's Caddy, plain          (../../.cache/upstream/caddy)
//
// A sixth, CAPWISE_E2E_RESULTS, names a file to write the table of results to:
// "go test ./..." shows it only where something fails, or with -v.
//
// Files with other capabilities than the image's are derived here from the same
// binary with the real setcap.
package e2e
