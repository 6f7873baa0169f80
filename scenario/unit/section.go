package unit

import "strings"

// Section returns the assignments of one section of a file in systemd's syntax, such as
// those of a quadlet: of each key those that count, behind the last empty one.
func Section(f File, section string) (map[string][]string, error) {
	r := newReader()
	if err := r.read(f); err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for name := range r.assignments {
		key, is := strings.CutPrefix(name, section+".")
		if !is {
			continue
		}
		for _, a := range r.list(name) {
			out[key] = append(out[key], a.value)
		}
	}
	return out, nil
}

// Words splits a value at white space, with the quotation marks and escapes of
// systemd.syntax(7).
func Words(value string) ([]string, error) { return splitWords(value) }
