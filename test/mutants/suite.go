package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// variable says which change is in force; 0 is none.
const variable = "CAPWISE_MUTANT"

// suite is the tests of a package, compiled with all changes.
type suite struct {
	binary, dir, skip string
	limit             time.Duration
	launchers         *launchers
}

// build compiles the suites, and the launchers that their tests start.
func (t target) build(dir, overlay string) ([]suite, error) {
	l, err := buildLaunchers(dir, overlay, t.launcher)
	if err != nil {
		return nil, err
	}
	var out []suite
	for i, text := range t.tests {
		words := strings.Fields(text)
		s := suite{binary: filepath.Join(dir, strconv.Itoa(i)+".test"), dir: filepath.Join(words[0], words[1]), launchers: l}
		if len(words) > 2 {
			s.skip = words[2]
		}
		c := exec.Command("scripts/module.sh", words[0], "test", "-c", "-vet=off", "-overlay="+overlay, "-o", s.binary, words[1])
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := c.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", words[1], err, text)
		}
		out = append(out, s)
	}
	return out, nil
}

// run runs the suite with a change. The error is the context's where the time did
// not suffice.
func (s *suite) run(ctx context.Context, mutant int) (out []byte, err error) {
	folder, remove, err := s.launchers.with(mutant)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	args := []string{"-test.failfast", "-test.short", "-test.timeout=0"}
	if s.skip != "" {
		args = append(args, "-test.skip", s.skip)
	}
	c := exec.CommandContext(ctx, s.binary, args...)
	c.Dir, c.Env = s.dir, append(os.Environ(), variable+"="+strconv.Itoa(mutant), "CAPWISE_TEST_LAUNCHERS="+folder)
	c.WaitDelay = time.Second // children may hold its output
	out, err = c.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}

// baseline runs the suite without a change, and takes its time.
func (s *suite) baseline() error {
	begun := time.Now()
	out, err := s.run(context.Background(), 0)
	if err != nil {
		return fmt.Errorf("%s without a change: %w\n%s", s.dir, err, out)
	}
	s.limit = 10*time.Second + 5*time.Since(begun)
	return nil
}

// machine is shared by runs; one that was too slow has it alone for another try.
var machine sync.RWMutex

// kills reports whether the suite notices the change: a test fails, or it does
// not come to an end, twice.
func (s *suite) kills(mutant int) bool {
	machine.RLock()
	err := s.inTime(mutant)
	machine.RUnlock()
	if errors.Is(err, context.DeadlineExceeded) {
		machine.Lock()
		defer machine.Unlock()
		err = s.inTime(mutant)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) && !errors.Is(err, context.DeadlineExceeded) {
		panic(err) // it says nothing of the tests
	}
	return err != nil
}

func (s *suite) inTime(mutant int) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	_, err := s.run(ctx, mutant)
	return err
}
