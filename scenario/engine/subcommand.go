package engine

import (
	"fmt"
	"path"
	"strings"

	"github.com/capwise/capwise/internal/flags"
)

// Subcommand returns what a command line of docker or podman is to do, such as "run" or
// "compose", and the arguments behind it. The first argument is the command, of which
// only the base name counts.
func Subcommand(args []string) (verb string, rest []string, err error) {
	global := dockerGlobal
	if path.Base(args[0]) == "podman" {
		global = podmanGlobal
	}
	p, err := global.Parse(args[1:])
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path.Base(args[0]), err)
	}
	if len(p.Rest) == 0 {
		return "", nil, nil
	}
	if p.Rest[0] == "container" && len(p.Rest) > 1 {
		return p.Rest[1], p.Rest[2:], nil
	}
	return p.Rest[0], p.Rest[1:], nil
}

// serviceCreate is the flags of docker service create.
var serviceCreate = flags.New(`cap-add cap-drop config constraint container-label credential-spec dns dns-option dns-search
	endpoint-mode entrypoint e:env env-file generic-resource group health-cmd health-interval health-retries
	health-start-interval health-start-period health-timeout host hostname isolation l:label limit-cpu limit-memory
	limit-pids log-driver log-opt max-concurrent mode mount name network oom-score-adj placement-pref p:publish replicas
	replicas-max-per-node reserve-cpu reserve-memory restart-condition restart-delay restart-max-attempts restart-window
	rollback-delay rollback-failure-action rollback-max-failure-ratio rollback-monitor rollback-order rollback-parallelism
	secret stop-grace-period stop-signal sysctl ulimit update-delay update-failure-action update-max-failure-ratio
	update-monitor update-order update-parallelism u:user w:workdir`,
	`d:detach help init no-healthcheck no-resolve-image q:quiet read-only t:tty with-registry-auth`)

// ServiceRun returns the arguments of docker run that make a container like those of
// docker service create with the arguments, and notes about these.
func ServiceRun(args []string) (run, notes []string, err error) {
	p, err := serviceCreate.Parse(args)
	if err != nil {
		return nil, nil, fmt.Errorf("service create: %w", err)
	}
	if len(p.Rest) == 0 {
		return nil, nil, fmt.Errorf("service create: no image")
	}
	for _, name := range []string{"cap-add", "cap-drop", "entrypoint", "env", "group", "init", "name", "network", "publish", "sysctl", "user"} {
		flag := name
		if name == "group" {
			flag = "group-add"
		}
		for _, value := range p.Options[name] {
			if name == "publish" {
				value = shortPublish(value)
			}
			run = append(run, "--"+flag+"="+value)
		}
	}
	return append(append(run, "--"), p.Rest...), p.Notes, nil
}

// shortPublish makes published=8080,target=80,protocol=udp to 8080:80/udp.
func shortPublish(value string) string {
	if !strings.Contains(value, "=") {
		return value
	}
	field := map[string]string{"protocol": "tcp"}
	for part := range strings.SplitSeq(value, ",") {
		name, text, _ := strings.Cut(part, "=")
		field[name] = text
	}
	return strings.TrimPrefix(field["published"]+":", ":") + field["target"] + "/" + field["protocol"]
}
