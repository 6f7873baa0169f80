package image

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// entry is one file of a root file system.
type entry struct {
	name   string      // slash-separated, relative to the root
	mode   fs.FileMode // type and permission bits
	target string      // of a symbolic link
	data   []byte      // of a regular file
	xattr  []byte      // security.capability, if any
}

// readTree returns everything below dir, sorted by name. A directory comes
// before what it holds, since its name is a prefix.
func readTree(dir string) ([]entry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	var entries []entry
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		e, err := readEntry(root, name, d)
		if err != nil {
			return err
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries, nil
}

func readEntry(root *os.Root, name string, d fs.DirEntry) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	e := entry{name: name, mode: info.Mode()}
	switch e.mode.Type() {
	case fs.ModeDir:
	case fs.ModeSymlink:
		e.target, err = root.Readlink(name)
	case 0:
		e.data, err = root.ReadFile(name)
	default:
		err = fmt.Errorf("%s: an image cannot hold a file of type %v", name, e.mode.Type())
	}
	return e, err
}

// find returns the entry called name, or nil.
func find(entries []entry, name string) *entry {
	i, ok := slices.BinarySearchFunc(entries, name, func(e entry, name string) int {
		return cmp.Compare(e.name, name)
	})
	if !ok {
		return nil
	}
	return &entries[i]
}

// split separates the program, with the directories that lead to it, from
// everything else. The directories are in both layers: an engine may unpack
// either one first.
func split(entries []entry, program string) (rest, own []entry) {
	for _, e := range entries {
		above := e.mode.IsDir() && strings.HasPrefix(program, e.name+"/")
		if above || e.name == program {
			own = append(own, e)
		}
		if e.name != program {
			rest = append(rest, e)
		}
	}
	return rest, own
}

// rel turns an absolute path of the image into the name of an entry.
func rel(abs string) string { return strings.TrimPrefix(filepath.ToSlash(abs), "/") }
