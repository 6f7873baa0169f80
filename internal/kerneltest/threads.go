//go:build linux

package kerneltest

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/capwise/capwise/capset"
	"github.com/capwise/capwise/cred"
)

// Effective returns the threads of this process on which any capability is
// effective, by id.
func Effective() (map[int]capset.Set, error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	found := map[int]capset.Set{}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return nil, err
		}
		c, err := cred.OfThread(os.Getpid(), tid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		if c.Effective != 0 {
			found[tid] = c.Effective
		}
	}
	return found, nil
}
