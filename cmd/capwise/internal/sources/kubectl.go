package sources

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// kubectl reads kubectl run, and apply -f and its like.
func (o Options) kubectl(name string, l line) ([]Found, error) {
	args := l.args[1:]
	for i, a := range args {
		switch a {
		case "run":
			return o.kubectlRun(args[i+1:])
		case "apply", "create", "replace":
			return o.kubectlApply(args[i+1:])
		}
	}
	return nil, fmt.Errorf("%s: want %s run, or apply -f FILE: %w", strings.Join(l.args, " "), name, ErrNotUnderstood)
}

func (o Options) kubectlApply(args []string) ([]Found, error) {
	var files []string
	for i, a := range args {
		name, value, given := strings.Cut(a, "=")
		switch {
		case (name == "-f" || name == "--filename") && given:
			files = append(files, strings.Split(value, ",")...)
		case (a == "-f" || a == "--filename") && i+1 < len(args):
			files = append(files, strings.Split(args[i+1], ",")...)
		case name == "-k" || name == "--kustomize":
			return nil, fmt.Errorf("-k: %w; have kubectl print the manifests: kubectl kustomize DIR | capwise explain -f -", ErrNotUnderstood)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("want -f FILE: %w", ErrNotUnderstood)
	}
	return o.Files(files, os.Stdin)
}

// kubectlRun makes the pod that kubectl run makes.
func (o Options) kubectlRun(args []string) ([]Found, error) {
	p := podLine{overrides: map[string]any{}}
	if err := p.read(args); err != nil {
		return nil, err
	}
	if p.name == "" || p.image == "" {
		return nil, fmt.Errorf("run: want NAME --image=IMAGE: %w", ErrNotUnderstood)
	}
	data, err := json.Marshal(p.pod())
	if err != nil {
		return nil, err
	}
	return o.kubernetes(data, "")
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

func (p *podLine) read(args []string) error {
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		if args[i] == "--" {
			p.args = args[i+1:]
			return nil
		}
		if !strings.HasPrefix(name, "-") {
			if p.name == "" {
				p.name = args[i]
			} else {
				p.args = append(p.args, args[i])
			}
			continue
		}
		switch name {
		case "--image", "--port", "--overrides", "-n", "--namespace", "--env", "-l", "--labels", "--restart", "--image-pull-policy", "--override-type", "--annotations", "--dry-run-output":
			if !given && i+1 < len(args) {
				i++
				value = args[i]
			}
		}
		if err := p.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (p *podLine) set(name, value string) (err error) {
	switch name {
	case "--image":
		p.image = value
	case "--port":
		p.port, err = strconv.Atoi(value)
	case "--privileged":
		p.privileged = value != "false"
	case "--command":
		p.command = value != "false"
	case "--overrides":
		err = json.Unmarshal([]byte(value), &p.overrides)
	}
	if err != nil {
		return fmt.Errorf("run: %s=%s: %w", name, value, err)
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
