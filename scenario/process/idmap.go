package process

import (
	"fmt"
	"strconv"
	"strings"
)

// idMap is the text of /proc/PID/uid_map or gid_map, taken apart.
type idMap []idRange

// idRange maps ids of a namespace to those of the reader's.
type idRange struct{ inside, outside, length uint32 }

// parseIDMap reads the text. An error names the line.
func parseIDMap(text string) (idMap, error) {
	var m idMap
	number := 0
	for line := range strings.Lines(text) {
		number++
		var n [3]uint32
		fields := strings.Fields(line)
		if len(fields) != len(n) {
			return nil, fmt.Errorf("id map, line %d: %d fields, want 3", number, len(fields))
		}
		for i, f := range fields {
			id, err := strconv.ParseUint(f, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("id map, line %d: %w", number, err)
			}
			n[i] = uint32(id)
		}
		m = append(m, idRange{n[0], n[1], n[2]})
	}
	return m, nil
}

// overflow is what an id without a number is shown as, /proc/sys/kernel/overflowuid.
const overflow = 65534

// into returns the id of the namespace for one of the reader's.
func (m idMap) into(outside uint32) uint32 {
	for _, r := range m {
		if outside >= r.outside && outside-r.outside < r.length {
			return r.inside + (outside - r.outside)
		}
	}
	return overflow
}

// root returns the reader's id for the namespace's root.
func (m idMap) root() (id uint32, ok bool) {
	for _, r := range m {
		if r.inside == 0 && r.length > 0 {
			return r.outside, true
		}
	}
	return 0, false
}
