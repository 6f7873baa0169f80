// Package cred reads the credentials of processes and threads: user and group
// ids, the five capability sets, no_new_privs and seccomp mode, as
// capabilities(7) and proc_pid_status(5) describe them.
//
// [ParseStatus] is pure; [OfProcess] and [OfThread] read /proc; [Current] asks
// the kernel about the calling thread and needs no /proc.
package cred

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/capwise/capwise/capset"
)

// Sets is the five capability sets of a thread.
type Sets struct {
	Inheritable capset.Set
	Permitted   capset.Set
	Effective   capset.Set
	Bounding    capset.Set
	Ambient     capset.Set
}

// IDs is the four user ids or the four group ids of a thread.
type IDs struct {
	Real, Effective, Saved, FileSystem uint32
}

// Credentials is what /proc/PID/status says about the privileges of a thread.
type Credentials struct {
	Sets
	UID, GID IDs
	Groups   []uint32 // supplementary groups
	// NoNewPrivs is prctl(2)'s PR_SET_NO_NEW_PRIVS.
	NoNewPrivs bool
	// Seccomp is 0 without, 1 in strict mode and 2 with a filter.
	Seccomp int
}

// ErrStatus is what every error of [ParseStatus] about the text wraps.
var ErrStatus = errors.New("not a /proc/PID/status file")

// ParseStatus reads the text of /proc/PID/status. The lines Uid, Gid and
// CapInh to CapBnd must be there; CapAmb (Linux 4.3), NoNewPrivs (4.10) and
// Seccomp (3.8) are zero where the kernel does not print them. An error names
// the line and wraps [ErrStatus].
func ParseStatus(r io.Reader) (Credentials, error) {
	var c Credentials
	missing := map[string]bool{"Uid": true, "Gid": true, "CapInh": true, "CapPrm": true, "CapEff": true, "CapBnd": true}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20) // the line Groups holds up to 65536 numbers
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			continue
		}
		if err := c.setField(key, strings.TrimSpace(value)); err != nil {
			return Credentials{}, fmt.Errorf("%w: line %q: %w", ErrStatus, key, err)
		}
		delete(missing, key)
	}
	if err := lines.Err(); err != nil {
		return Credentials{}, err
	}
	for _, key := range []string{"Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd"} {
		if missing[key] {
			return Credentials{}, fmt.Errorf("%w: no line %q", ErrStatus, key)
		}
	}
	return c, nil
}

// setField stores the value of one line; other lines are ignored.
func (c *Credentials) setField(key, value string) (err error) {
	switch key {
	case "Uid":
		c.UID, err = parseIDs(value)
	case "Gid":
		c.GID, err = parseIDs(value)
	case "Groups":
		c.Groups, err = parseNumbers(value)
	case "CapInh":
		c.Inheritable, err = parseSet(value)
	case "CapPrm":
		c.Permitted, err = parseSet(value)
	case "CapEff":
		c.Effective, err = parseSet(value)
	case "CapBnd":
		c.Bounding, err = parseSet(value)
	case "CapAmb":
		c.Ambient, err = parseSet(value)
	case "NoNewPrivs":
		c.NoNewPrivs, err = strconv.ParseBool(value)
	case "Seccomp":
		c.Seccomp, err = strconv.Atoi(value)
	}
	return err
}

func parseSet(s string) (capset.Set, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	return capset.Set(n), err
}

func parseIDs(s string) (IDs, error) {
	n, err := parseNumbers(s)
	if err != nil {
		return IDs{}, err
	}
	if len(n) != 4 {
		return IDs{}, fmt.Errorf("%d ids, want 4", len(n))
	}
	return IDs{n[0], n[1], n[2], n[3]}, nil
}

func parseNumbers(s string) ([]uint32, error) {
	var out []uint32
	for f := range strings.FieldsSeq(s) {
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return nil, err
		}
		out = append(out, uint32(n))
	}
	return out, nil
}
