package sources

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/capwise/capwise/internal/flags"
)

// The flags of kubectl: everywhere, of run and create, and of apply and its like.
const (
	kubectlValues = `as as-group as-uid cache-dir certificate-authority client-certificate client-key cluster context kubeconfig
		log-flush-frequency n:namespace password profile profile-output request-timeout s:server tls-server-name token user username v:v vmodule`
	kubectlBools = "disable-compression h:help insecure-skip-tls-verify match-server-version warnings-as-errors"
)

var (
	kubectlGlobal = flags.New(kubectlValues, kubectlBools, "run", "create", "apply", "replace")
	kubectlRun    = flags.New(kubectlValues+` annotations env field-manager f:filename grace-period image
		image-pull-policy k:kustomize l:labels o:output override-type overrides pod-running-timeout port replicas r:r restart
		schedule serviceaccount template timeout`,
		kubectlBools+` allow-missing-template-keys attach cascade command dry-run expose force leave-stdin-open privileged q:quiet R:recursive rm
		save-config show-managed-fields i:stdin t:tty wait`)
	kubectlApply = flags.New(kubectlValues+` field-manager f:filename grace-period k:kustomize o:output
		prune-allowlist raw l:selector subresource template timeout`,
		kubectlBools+` all cascade dry-run allow-missing-template-keys edit force force-conflicts openapi-patch overwrite prune R:recursive
		save-config server-side show-managed-fields validate wait windows-line-endings`)
)

// kubectl reads kubectl run, create deployment, and apply -f and its like.
func (o Options) kubectl(name string, l line) ([]Found, error) {
	p, err := kubectlGlobal.Parse(l.args[1:])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(p.Rest) > 0 {
		rest := p.Rest[1:]
		switch verb := p.Rest[0]; {
		case verb == "run":
			return o.kubectlRun(name+" run", rest, false)
		case verb == "create" && len(rest) > 0 && slices.Contains([]string{"deployment", "deploy", "job", "cronjob", "cj"}, rest[0]):
			return o.kubectlRun(name+" create "+rest[0], rest[1:], true)
		case verb == "apply" || verb == "create" || verb == "replace":
			return o.kubectlApply(name+" "+verb, rest)
		}
	}
	return nil, fmt.Errorf("%s: want %s run, create deployment, or apply -f FILE: %w", strings.Join(l.args, " "), name, ErrNotUnderstood)
}

func (o Options) kubectlApply(name string, args []string) ([]Found, error) {
	p, err := kubectlApply.ParseAll(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if dir := p.Options.Last("kustomize"); dir != "" {
		return nil, fmt.Errorf("%s -k: %w; have kubectl print the manifests: kubectl kustomize %s | capwise explain -f -", name, ErrNotUnderstood, dir)
	}
	var files []string
	for _, list := range p.Options["filename"] {
		files = append(files, strings.Split(list, ",")...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: want -f FILE: %w", name, ErrNotUnderstood)
	}
	return o.Files(files, os.Stdin)
}

// kubectlRun makes the pod that kubectl run makes, or that of a workload, whose arguments
// behind "--" are the command.
func (o Options) kubectlRun(name string, args []string, isCommand bool) ([]Found, error) {
	line, err := kubectlRun.ParseAll(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := podLine{image: line.Options.Last("image"), args: append(line.Rest[min(1, len(line.Rest)):], line.Behind...), overrides: map[string]any{}}
	if len(line.Rest) == 0 || p.image == "" {
		return nil, fmt.Errorf("%s: want NAME --image=IMAGE: %w", name, ErrNotUnderstood)
	}
	p.name = line.Rest[0]
	if err := p.options(line.Options); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.command = p.command || isCommand
	data, err := json.Marshal(p.pod())
	if err != nil {
		return nil, err
	}
	found, err := o.kubernetes(data, "")
	for _, note := range line.Notes {
		for _, f := range found[:min(1, len(found))] {
			f.Note(note)
		}
	}
	return found, err
}

// podLine is what kubectl run says.
type podLine struct {
	name, image string
	port        int
	privileged  bool
	command     bool // the arguments are the command
	args        []string
	overrides   map[string]any
}

func (p *podLine) options(o flags.Options) (err error) {
	if p.privileged, err = o.Enabled("privileged"); err != nil {
		return err
	}
	if p.command, err = o.Enabled("command"); err != nil {
		return err
	}
	if text := o.Last("port"); text != "" {
		if p.port, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("--port=%s: want a number", text)
		}
	}
	text := o.Last("overrides")
	if text == "" {
		return nil
	}
	if kind := o.Last("override-type"); kind != "" && kind != "merge" {
		return fmt.Errorf("--override-type=%s is not followed here: %w", kind, ErrNotUnderstood)
	}
	if err := json.Unmarshal([]byte(text), &p.overrides); err != nil {
		return fmt.Errorf("--overrides: want an object in JSON: %w", err)
	}
	return nil
}

// pod is the manifest, with the overrides merged in.
func (p *podLine) pod() map[string]any {
	container := map[string]any{"name": p.name, "image": p.image}
	if p.port != 0 {
		container["ports"] = []any{map[string]any{"containerPort": p.port}}
	}
	if p.privileged {
		container["securityContext"] = map[string]any{"privileged": true}
	}
	if key := map[bool]string{true: "command", false: "args"}[p.command]; len(p.args) > 0 {
		container[key] = p.args
	}
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": p.name},
		"spec": map[string]any{"containers": []any{container}},
	}
	merge(pod, p.overrides)
	return pod
}

// merge puts one object over another (RFC 7386, kubectl's default for --overrides).
func merge(into, over map[string]any) {
	for key, value := range over {
		below, is := value.(map[string]any)
		have, has := into[key].(map[string]any)
		switch {
		case is && has:
			merge(have, below)
		case value == nil:
			delete(into, key)
		default:
			into[key] = value
		}
	}
}
