package aware

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// Package elf would make a text of its own of each name, so that a small file with many
// references to one long name takes all memory. Here names and their sum are bounded.
const (
	mostName  = 4096 // PATH_MAX of Linux; names of C++ are shorter
	mostList  = 64 << 10
	mostNames = 32 << 20
)

var (
	errStatic = errors.New("a static program")
	errNames  = errors.New("a name that is not in the table of names, or too long")
)

// symbols is the names by which a program and its libraries know each other.
type symbols struct{ imports, exports []string }

// symbols returns the names of the functions that it imports and exports. That a static
// program has none is an error.
func (p *program) symbols() (s symbols, err error) {
	data, names, err := p.withNames(elf.SHT_DYNSYM)
	if err != nil {
		return s, err
	}
	size, info := elf.Sym64Size, 4
	if p.Class == elf.ELFCLASS32 {
		size, info = elf.Sym32Size, 12
	}
	total := 0
	for first := true; len(data) >= size; data = data[size:] {
		if first { // which stands for none
			first = false
			continue
		}
		name, err := text(names, uint64(p.ByteOrder.Uint32(data)), mostName)
		if err != nil {
			return s, err
		}
		if total += len(name); total > mostNames {
			return s, errTooMuch
		}
		defined := elf.SectionIndex(p.ByteOrder.Uint16(data[info+2:])) != elf.SHN_UNDEF
		switch {
		case defined:
			s.exports = append(s.exports, name)
		case elf.ST_BIND(data[info]) != elf.STB_LOCAL:
			s.imports = append(s.imports, name)
		}
	}
	return s, nil
}

// dynamic returns the libraries that it needs, and the lists of folders to look for them
// in (DT_NEEDED; DT_RPATH and DT_RUNPATH). Those of a static program are none.
func (p *program) dynamic() (needed, search []string, err error) {
	data, names, err := p.withNames(elf.SHT_DYNAMIC)
	if errors.Is(err, errStatic) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	size, word := 16, p.ByteOrder.Uint64
	if p.Class == elf.ELFCLASS32 {
		size, word = 8, func(b []byte) uint64 { return uint64(p.ByteOrder.Uint32(b)) }
	}
	for ; len(data) >= size; data = data[size:] {
		to, most := &needed, mostName
		switch tag := elf.DynTag(word(data)); tag {
		case elf.DT_NULL:
			return needed, search, nil
		case elf.DT_NEEDED:
		case elf.DT_RPATH, elf.DT_RUNPATH:
			to, most = &search, mostList
		default:
			continue
		}
		name, err := text(names, word(data[size/2:]), most)
		if err != nil {
			return nil, nil, err
		}
		if *to = append(*to, name); len(*to) > mostNeeded {
			return nil, nil, errTooMuch
		}
	}
	return needed, search, nil
}

// withNames reads a section and the table of its names.
func (p *program) withNames(kind elf.SectionType) (data, names []byte, err error) {
	s := p.SectionByType(kind)
	if s == nil {
		return nil, nil, errStatic
	}
	if s.Link == 0 || int64(s.Link) >= int64(len(p.Sections)) {
		return nil, nil, fmt.Errorf("%s without names", kind)
	}
	table := p.Sections[s.Link]
	if s.Size > mostRead || table.Size > mostRead {
		return nil, nil, errTooMuch
	}
	if data, err = s.Data(); err != nil {
		return nil, nil, err
	}
	names, err = table.Data()
	return data, names, err
}

// text returns the name at an offset.
func text(names []byte, at uint64, most int) (string, error) {
	if at >= uint64(len(names)) {
		return "", errNames
	}
	rest := names[at:]
	end := bytes.IndexByte(rest[:min(len(rest), most+1)], 0)
	if end < 0 {
		return "", errNames
	}
	return string(rest[:end]), nil
}
