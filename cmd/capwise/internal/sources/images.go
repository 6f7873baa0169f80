package sources

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/capwise/capwise/image/rootfs"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/scenario"
)

// images opens one image after the other, and keeps the last.
type images struct {
	asked     int64
	reference string
	image     *rootfs.Image
	err       error
	// docker is the version of the Docker at hand, once that was asked for.
	docker *string
}

func (i *images) open(reference string) (*rootfs.Image, error) {
	if i.asked > 0 && reference == i.reference {
		return i.image, i.err
	}
	i.close()
	i.asked++
	i.reference, i.image = reference, nil
	if i.err = limit.Asked.Check(i.asked); i.err == nil {
		i.image, i.err = rootfs.Open(reference)
	}
	return i.image, i.err
}

func (i *images) close() {
	if i.image != nil {
		_ = i.image.Close() // a file that is gone
	}
}

// versionTime is how long an engine may take to say its version.
const versionTime = 10 * time.Second

// askVersion takes the version of the Docker at hand, which has the image, where
// the user says none: what it leaves to a program depends on it.
func (i *images) askVersion(s *scenario.Start) {
	r := &s.Settings.Runtime
	if r.Name != scenario.Docker || r.Version != "" {
		return
	}
	if i.docker == nil {
		ctx, cancel := context.WithTimeout(context.Background(), versionTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}")
		cmd.WaitDelay = time.Second // for what it has started itself
		out, err := cmd.Output()
		version := strings.TrimSpace(string(out))
		if err != nil {
			version = ""
		}
		i.docker = &version
	}
	if *i.docker != "" {
		r.Version = *i.docker
		s.Note(fmt.Sprintf("assuming the local Docker, %s; use --runtime-version for another", r.Version))
	}
}
