package e2e

import (
	"fmt"
	"testing"
)

// server is a program that nobody here wrote, built by capwise build. In its
// arguments and files, $PORT is the port that it shall listen on, $NEXT the one
// after that, and $DIR the folder of its files.
type server struct {
	name      string
	low, high int
	args      []string
	files     map[string]string
	ask       func(t *testing.T, r *running, port int)
	runtimes  []*runtimeUnderTest // besides Docker
}

var podmans = []*runtimeUnderTest{podmanRunc, podmanCrun}

var servers = []server{
	{
		name: "caddy", low: 80, high: 8080, runtimes: podmans,
		args: []string{"respond", "--listen=:$PORT", "real"},
		ask:  answers("/", "real"),
	},
	{
		name: "coredns", low: 53, high: 5353, runtimes: podmans,
		args:  []string{"-conf", "$DIR/Corefile"},
		files: map[string]string{"Corefile": ".:$PORT {\n\thosts {\n\t\t192.0.2.7 real.example\n\t}\n}\n"},
		ask: func(t *testing.T, r *running, port int) {
			r.resolves(t, "tcp", port)
			r.resolves(t, "udp", port)
		},
	},
	{
		name: "nats-server", low: 422, high: 4222,
		args: []string{"-p", "$PORT"},
		ask:  greets(`INFO {"server_id":`),
	},
	{
		name: "prometheus", low: 90, high: 9090,
		args:  []string{"--config.file=$DIR/prometheus.yml", "--storage.tsdb.path=/tmp/data", "--web.listen-address=:$PORT"},
		files: map[string]string{"prometheus.yml": "global:\n  scrape_interval: 1m\n"},
		ask:   answers("/-/healthy", "Prometheus Server is Healthy."),
	},
	{
		name: "traefik", low: 80, high: 8080,
		args: []string{
			"--entrypoints.web.address=:$PORT", "--entrypoints.datagrams.address=:$NEXT/udp", "--ping", "--ping.entrypoint=web",
			"--log.level=INFO", "--global.checknewversion=false", "--global.sendanonymoususage=false",
		},
		ask: answers("/ping", "OK"),
	},
	{
		name: "gitea-ssh", low: 22, high: 2222,
		args: []string{"$PORT"},
		ask:  greets("SSH-2.0-"),
	},
	{
		name: "telegraf", low: 514, high: 6514,
		args:  []string{"--config", "$DIR/telegraf.conf"},
		files: map[string]string{"telegraf.conf": telegrafConf},
		ask: func(t *testing.T, r *running, port int) {
			message := "<13>1 2026-01-01T00:00:00Z here app - - - from-syslog"
			r.passesOn(t, "udp", port, "from_statsd:1|c\n", "from_statsd")
			r.passesOn(t, "tcp", port, fmt.Sprintf("%d %s", len(message), message), "from-syslog")
		},
	},
	{
		name: "loki", low: 100, high: 3100,
		args:  []string{"-config.file=$DIR/loki.yaml"},
		files: map[string]string{"loki.yaml": lokiYAML},
		ask:   answers("/loki/api/v1/status/buildinfo", `"goVersion":`),
	},
}

const telegrafConf = `[agent]
interval = "1s"
flush_interval = "1s"
omit_hostname = true
[[inputs.statsd]]
protocol = "udp"
service_address = ":$PORT"
[[inputs.syslog]]
server = "tcp://:$PORT"
[[outputs.file]]
files = ["stdout"]
`

const lokiYAML = `auth_enabled: false
server:
  http_listen_port: $PORT
  grpc_listen_port: $NEXT
common:
  instance_addr: 127.0.0.1
  path_prefix: /tmp/loki
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage:
    filesystem: {chunks_directory: /tmp/loki/chunks, rules_directory: /tmp/loki/rules}
schema_config:
  configs:
  - {from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
analytics: {reporting_enabled: false}
`
