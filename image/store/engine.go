package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/capwise/capwise/image/ref"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/scratch"
)

// saveTime is how long an engine may take to save an image.
const saveTime = 15 * time.Minute

// Namespaces are those of containerd where images are looked for: of its own tools, of
// Kubernetes, and of Docker where that keeps its images there.
func Namespaces() []string { return []string{"default", "k8s.io", "moby"} }

// FullName is the name that containerd knows an image by.
func FullName(image string) string {
	r, err := name.ParseReference(image)
	if err != nil {
		return image
	}
	return strings.Replace(r.Name(), "index.docker.io/", "docker.io/", 1)
}

// commands are what makes an engine write an image to standard output, each tried
// until one does.
func commands(engine ref.Kind, image string) [][]string {
	switch engine {
	case ref.Podman:
		return [][]string{{"podman", "save", "--quiet", "--format", "docker-archive", "--", image}}
	case ref.Containerd:
		var out [][]string
		for _, namespace := range Namespaces() {
			out = append(out, []string{"ctr", "--namespace", namespace, "images", "export", "--platform", "linux/" + runtime.GOARCH, "--", "-", FullName(image)})
		}
		return out
	}
	return [][]string{{"docker", "save", "--", image}}
}

// Saved opens what an engine of this machine saves of an image, in a file without a
// name.
func Saved(engine ref.Kind, image string) (_ *Archive, err error) {
	var failed error
	for _, command := range commands(engine, image) {
		file, err := scratch.File()
		if err != nil {
			return nil, err
		}
		if err = save(command, file); err == nil {
			return NewArchive(file)
		}
		failed = errors.Join(err, file.Close())
	}
	return nil, fmt.Errorf("%s: %w", engine, failed)
}

// save lets an engine write an image.
func save(command []string, to io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	var stderr tail
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second // for what it has started itself
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	undo := scratch.OnAbandon(cancel)
	defer undo.Do()
	n, err := io.Copy(to, io.LimitReader(out, limit.Saved.Most+1))
	if err == nil {
		err = limit.Saved.Check(n)
	}
	if err != nil {
		cancel()
	}
	errClose := out.Close() // who goes on writing is told so
	errWait := errors.Join(errClose, cmd.Wait())
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return fmt.Errorf("not done in %s", saveTime)
	case err != nil:
		return err
	case errWait != nil:
		return fmt.Errorf("%w: %s", errWait, strings.TrimSpace(string(stderr)))
	}
	return nil
}

// tail keeps the end of what an engine says.
type tail []byte

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	*t = append(*t, p...)
	if len(*t) > most {
		*t = (*t)[len(*t)-most:]
	}
	return len(p), nil
}
