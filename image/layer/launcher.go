package layer

import (
	"bytes"
	"slices"

	"github.com/capwise/capwise/fix"
	"github.com/capwise/capwise/image/tarwalk"
	"github.com/capwise/capwise/launch"
)

// Regular reports whether the entry's content is that of its file: neither a link nor
// sparse.
func (e *Entry) Regular() bool { return e.Type == tarwalk.TypeReg && !e.Sparse() }

// HasList reports whether engines give the file an access control list. A launcher
// would see it in the mode, and start nothing.
func (e *Entry) HasList() bool {
	return slices.ContainsFunc(e.Records, func(r tarwalk.Record) bool {
		return r.Key == "SCHILY.xattr.system.posix_acl_access" && len(r.Value) > 0
	})
}

// Behind returns the change that puts a launcher before the entry's program: it has the
// headers, and the program follows under its new name and with the attribute that a
// program behind a launcher has. rootOnly makes both root's.
func (e *Entry) Behind(launcher []byte, config launch.Config, rootOnly bool) (Edit, error) {
	attribute, err := fix.LauncherCaps(config.Prefer).MarshalBinary()
	if err != nil {
		return Edit{}, err
	}
	out, err := e.Rewritten(tarwalk.Rewrite{
		Size: int64(len(launcher)), Drop: func(key string) bool { return !ofTheInode[key] },
		Add: []tarwalk.Record{{Key: schily, Value: attribute}}, RootOnly: rootOnly,
	})
	if err != nil {
		return Edit{}, err
	}
	change := tarwalk.Rewrite{Suffix: launch.TargetSuffix, Size: e.Size, Drop: isAttribute, RootOnly: rootOnly}
	if config.By == launch.File {
		carries, err := fix.TargetCaps(config).MarshalBinary()
		if err != nil {
			return Edit{}, err
		}
		change.Add = []tarwalk.Record{{Key: schily, Value: carries}}
	}
	moved, err := e.Rewritten(change)
	if err != nil {
		return Edit{}, err
	}
	padding := make([]byte, -len(launcher)&511)
	now := bytes.Join([][]byte{out, launcher, padding, moved}, nil)
	return difference(e.Offset, e.Raw, now), nil
}

// ofTheInode are the PAX records that a launcher has from its program: those of
// name, owner and times. Others are about the content, such as a signature of it.
var ofTheInode = map[string]bool{
	"path": true, "uid": true, "gid": true, "uname": true, "gname": true,
	"mtime": true, "atime": true, "ctime": true, "hdrcharset": true,
}
