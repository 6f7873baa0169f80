package kernelcheck

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// process is a running agent in its room.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	buffer  []byte
	replies []reply
	own     state // of the agent
}

// enterRoom starts an agent. The calling goroutine must run on the thread that
// made the shelf.
func (s *shelf) enterRoom(r room) (*process, error) {
	cmd := exec.Command(s.path("agent"), r.prepare...)
	cmd.Dir, cmd.Stderr = s.dir, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<16), buffer: make([]byte, replySize)}
	var ready reply
	if err := receive(p.out, p.buffer, &ready); err != nil {
		return nil, errors.Join(fmt.Errorf("room %s: %w", r.name, err), p.leave())
	}
	p.own = ready.Before
	return p, nil
}

// ask lets the agent go through the cases of one start. There is one reply for
// each of them, or only one if there is no such start. The replies are good
// until the next call.
func (p *process) ask(w wish, args []arg) ([]reply, error) {
	if err := send(p.in, w, args); err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	p.replies = p.replies[:0]
	for range max(len(args), 1) {
		var r reply
		if err := receive(p.out, p.buffer, &r); err != nil {
			return nil, err
		}
		p.replies = append(p.replies, r)
		if r.Status != compare {
			break
		}
	}
	return p.replies, nil
}

// leave ends the agent.
func (p *process) leave() error {
	return errors.Join(p.in.Close(), p.cmd.Wait())
}
