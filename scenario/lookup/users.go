package lookup

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/capwise/capwise/scenario"
)

// account is what /etc/passwd says about a user.
type account struct{ uid, gid uint32 }

// accounts reads /etc/passwd and /etc/group of a file system, as container
// runtimes do, which know no other name service.
type accounts struct{ passwd, group string }

const accountFileSize = 1 << 20

func readAccounts(files scenario.Files) accounts {
	read := func(path string) string {
		text, err := files.Head(path, accountFileSize)
		if err != nil {
			return "" // an image without users; numbers still work
		}
		return string(text)
	}
	return accounts{read("/etc/passwd"), read("/etc/group")}
}

// line returns the fields of the line whose field at index i is value.
func line(text string, i int, value string) []string {
	for l := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(l), ":")
		if len(fields) > 3 && fields[i] == value {
			return fields
		}
	}
	return nil
}

// user resolves a name or number.
func (a accounts) user(name string) (account, error) {
	number, err := strconv.ParseUint(name, 10, 32)
	entry := line(a.passwd, 0, name)
	if err == nil && entry == nil {
		entry = line(a.passwd, 2, name)
	}
	if entry == nil {
		if err != nil {
			return account{}, fmt.Errorf("no user %q in /etc/passwd", name)
		}
		return account{uid: uint32(number)}, nil
	}
	uid, errUID := strconv.ParseUint(entry[2], 10, 32)
	gid, errGID := strconv.ParseUint(entry[3], 10, 32)
	if errUID != nil || errGID != nil {
		return account{}, fmt.Errorf("the line of user %q in /etc/passwd has no numbers", name)
	}
	return account{uint32(uid), uint32(gid)}, nil
}

// groupID resolves a group's name or number.
func (a accounts) groupID(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	if entry := line(a.group, 0, name); entry != nil {
		if n, err := strconv.ParseUint(entry[2], 10, 32); err == nil {
			return uint32(n), nil
		}
	}
	return 0, fmt.Errorf("no group %q in /etc/group", name)
}
