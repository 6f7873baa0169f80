package launch

import (
	"errors"
	"strconv"
)

// Bits of a file's mode, as stat(2) has them on Linux and tar archives too.
const (
	kindMask    = 0o170000
	kindLink    = 0o120000
	kindRegular = 0o100000
	kindFolder  = 0o040000
	sticky      = 0o1000
)

// OthersWrite is the bits of a file's mode by which others than its owner may write
// to it. An access control list shows in those of the group.
const OthersWrite = 0o022

// CheckPart reports why a launcher with this Config would refuse what it finds on
// the way to its target: mode (with the kind, as in stat(2)) and owner of a
// folder, or last of the file.
func (c Config) CheckPart(mode, uid uint32, last bool) error {
	return checkPart(mode, uid, c.Owner, last)
}

func checkPart(mode, uid, owner uint32, last bool) error {
	kind := mode & kindMask
	switch {
	case kind == kindLink:
		return errors.New("a symbolic link; the launcher wants the path that it leads to")
	case last && kind != kindRegular:
		return errors.New("not a regular file")
	case !last && kind != kindFolder:
		return errors.New("not a folder")
	case uid != 0 && uid != owner:
		return errors.New("belongs to user " + strconv.Itoa(int(uid)) + ", who could put another program there")
	case mode&OthersWrite == 0, !last && mode&sticky != 0:
		return nil
	default:
		return errors.New("others than its owner may write to it, and could put another program there")
	}
}
