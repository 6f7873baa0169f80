package locate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/image/store"
)

// engineTime is how long an engine may take to say whether it has an image.
const engineTime = 10 * time.Second

// errNotInstalled says that there is no such engine.
var errNotInstalled = errors.New("not installed")

// has reports whether an engine has an image. The error says why it cannot tell.
func has(engine ref.Kind, image string) (bool, error) {
	switch engine {
	case ref.Docker:
		out, err := run("docker", "image", "inspect", "--format", "{{.Id}}", "--", image)
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such image") {
			return false, nil
		}
		return err == nil && out != "", err
	case ref.Podman:
		_, err := run("podman", "image", "exists", "--", image)
		var status *exec.ExitError
		if errors.As(err, &status) && status.ExitCode() == 1 {
			return false, nil
		}
		return err == nil, err
	default:
		return hasContainerd(image)
	}
}

// containerdSocket is where containerd listens. Where nobody does, ctr would wait.
// Tests change it.
var containerdSocket = "/run/containerd/containerd.sock"

// hasContainerd looks in containerd's namespaces, where images have their full names.
func hasContainerd(image string) (bool, error) {
	if _, err := os.Stat(containerdSocket); err != nil {
		return false, errNotInstalled
	}
	full := store.FullName(image)
	for _, namespace := range store.Namespaces() {
		out, err := run("ctr", "--connect-timeout", "3s", "--namespace", namespace, "images", "list", "--quiet", "name=="+full)
		if err != nil {
			return false, err
		}
		if out != "" {
			return true, nil
		}
	}
	return false, nil
}

// run returns what a program prints. The error ends with the last line of its errors.
func run(program string, args ...string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", errNotInstalled
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second // for what it has started itself
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{&stdout}, &limited{&stderr}
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("no answer in %s", engineTime)
	case err != nil:
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := lines[len(lines)-1]; last != "" {
			err = fmt.Errorf("%w: %s", err, last)
		}
		return "", err
	}
	return strings.TrimSpace(stdout.String()), nil
}

// limited keeps the first bytes of what a program prints.
type limited struct{ to *bytes.Buffer }

// Write implements [io.Writer].
func (l *limited) Write(p []byte) (int, error) {
	const most = 64 << 10
	if left := most - l.to.Len(); left > 0 {
		l.to.Write(p[:min(left, len(p))])
	}
	return len(p), nil
}
