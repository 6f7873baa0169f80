package fix

// markVisible marks the entries of the lowest of the layers that a container
// sees, with the others above it: under their own name, or under that of a hard
// link.
func markVisible(layers []*layer) {
	seen := aliases{}
	for i, l := range layers {
		below := seen
		seen = aliases{}
		for name, is := range below {
			if !l.names.hides(name) {
				seen[name] = is
			}
		}
		for name, is := range l.own(below, i == 0) {
			seen[name] = is
		}
	}
	for name, is := range seen {
		for _, c := range is.entries {
			if c.seenAs == nil {
				c.seenAs = map[string]bool{}
			}
			c.seenAs[name] = true
		}
	}
}

// aliases holds, by path, the files that have entries of the lowest layer.
type aliases map[string]*inode

// inode is one file. A hard link may carry the attribute as well as the entry
// that it leads to, and whichever is unpacked last counts.
type inode struct{ entries []*capable }

// own returns what the layer puts at its paths. Entries of layers above the
// lowest count only for the links that they are.
func (l *layer) own(below aliases, lowest bool) aliases {
	here, ordinals := aliases{}, map[string]int{}
	for _, c := range l.capable {
		var is *inode
		if c.target != "" {
			if is = here[c.target]; is == nil && !l.has(c.target) {
				is = below[c.target]
			}
		}
		if lowest && c.has {
			if is == nil {
				is = &inode{}
			}
			is.entries = append(is.entries, c)
			if c.target != "" {
				here[c.target] = is
			}
		}
		if is != nil {
			here[c.path], ordinals[c.path] = is, c.ordinal
		} else {
			delete(here, c.path)
		}
	}
	for name, ordinal := range ordinals {
		// What an entry without capabilities replaced later is gone.
		if int(l.names.entries[l.names.hash(name)].last) > ordinal {
			delete(here, name)
		}
	}
	return here
}

func (l *layer) has(name string) bool {
	_, ok := l.names.entries[l.names.hash(name)]
	return ok
}
