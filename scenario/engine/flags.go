package engine

import "github.com/capwise/capwise/internal/flags"

// Flags of the commands run and create, hidden and newer ones too. A test holds
// these lists beside the help of the commands that are installed.
const (
	commonValues = `add-host annotation a:attach blkio-weight blkio-weight-device cap-add cap-drop
		cgroup-parent cgroupns cidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime c:cpu-shares cpus cpuset-cpus
		cpuset-mems detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps
		device-write-iops dns dns-opt dns-option dns-search entrypoint e:env env-file expose gpus group-add health-cmd
		health-interval health-retries health-start-period health-timeout h:hostname ip ip6 ipc kernel-memory l:label
		label-file link-local-ip log-driver log-opt mac-address m:memory memory-reservation memory-swap
		memory-swappiness mount name net network net-alias network-alias oom-score-adj pid pids-limit platform p:publish pull
		restart security-opt shm-size stop-signal stop-timeout sysctl tmpfs ulimit u:user userns uts v:volume
		volumes-from w:workdir`
	commonBools = `d:detach disable-content-trust help init i:interactive no-healthcheck oom-kill-disable privileged
		P:publish-all q:quiet read-only rm sig-proxy t:tty`

	dockerValues = `cpu-count cpu-percent domainname health-start-interval io-maxbandwidth io-maxiops isolation link
		runtime storage-opt volume-driver`
	dockerBools = `use-api-socket`

	podmanValues = `arch authfile cert-dir cgroup-conf cgroups chrootdirs conmon-pidfile creds decryption-key env-merge
		gidmap group-entry health-log-destination health-max-log-count health-max-log-size health-on-failure
		health-startup-cmd health-startup-interval health-startup-retries health-startup-success
		health-startup-timeout hosts-file hostuser image-volume init-ctr init-path intel-rdt-closid os passwd-entry
		personality pidfile pod pod-id-file preserve-fd preserve-fds requires retry retry-delay
		sdnotify seccomp-policy secret shm-size-systemd signature-policy subgidname subuidname systemd timeout tz
		uidmap umask unsetenv variant volume-driver`
	podmanBools = `env-host http-proxy no-hostname no-hosts passwd read-only-tmpfs replace rmi rootfs tls-verify
		unsetenv-all`
)

// Flags before the command.
const (
	dockerGlobalValues = `config c:context H:host l:log-level tlscacert tlscert tlskey`
	dockerGlobalBools  = `D:debug help tls tlsverify v:version`
	podmanGlobalValues = `cdi-spec-dir cgroup-manager cni-config-dir conmon c:connection cpu-profile
		default-mounts-file events-backend hooks-dir identity imagestore log-level max-workers memory-profile module
		namespace network-backend network-cmd-path network-config-dir out pull-option registries-conf root runroot
		runtime runtime-flag ssh storage-driver storage-opt tls-ca tls-cert tls-key tmpdir url volumepath`
	podmanGlobalBools = `help noout r:remote syslog trace transient-store v:version`
)

var (
	dockerRun    = flags.New(commonValues+" "+dockerValues, commonBools+" "+dockerBools)
	podmanRun    = flags.New(commonValues+" "+podmanValues, commonBools+" "+podmanBools)
	dockerGlobal = flags.New(dockerGlobalValues, dockerGlobalBools, "container", "create", "run")
	podmanGlobal = flags.New(podmanGlobalValues, podmanGlobalBools, "container", "create", "run")
)
