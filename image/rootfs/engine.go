package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/capwise/capwise/image/internal/store"
	"github.com/capwise/capwise/internal/limit"
	"github.com/capwise/capwise/internal/scratch"
)

// saveTime is how long an engine may take to save an image.
const saveTime = 15 * time.Minute

// saved opens what the engine saves, in a file without a name.
func saved(engine, name string) (_ store.Store, err error) {
	file, err := scratch.File()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if err := save(engine, name, file); err != nil {
		return nil, fmt.Errorf("%s save: %w", engine, err)
	}
	return store.NewArchive(file)
}

// save lets the engine write the image.
func save(engine, name string, to io.Writer) error {
	args := []string{"save", "--", name}
	if engine == "podman" {
		args = []string{"save", "--quiet", "--format", "docker-archive", "--", name}
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	var stderr tail
	cmd := exec.CommandContext(ctx, engine, args...)
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
