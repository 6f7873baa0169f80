package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// document is one document of a YAML (or JSON) text, in which values are changed where
// they stand: all other bytes stay.
type document struct {
	text string
	// holds says which document of the text it is.
	holds func(root *yaml.Node) bool
}

var (
	errNotThere = errors.New("there is no such place in the file")
	errWritten  = errors.New("it is written in a way that is not changed automatically")
)

// root parses the text again, and returns the document.
func (d *document) root() (*yaml.Node, error) {
	for decoder := yaml.NewDecoder(strings.NewReader(d.text)); ; {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return nil, errNotThere
		} else if err != nil {
			return nil, err
		}
		if len(node.Content) > 0 && d.holds(node.Content[0]) {
			return node.Content[0], nil
		}
	}
}

// step is a key of a mapping, or an index of a sequence.
type step struct {
	key   string
	index int
}

// steps splits a path such as "spec.containers[0]".
func steps(path string) []step {
	var out []step
	for _, part := range strings.Split(path, ".") {
		key, rest, indexed := strings.Cut(part, "[")
		if key != "" {
			out = append(out, step{key: key})
		}
		for indexed {
			var number string
			number, rest, _ = strings.Cut(rest, "]")
			n, err := strconv.Atoi(number)
			if err != nil {
				return append(out, step{key: part})
			}
			out = append(out, step{index: n})
			_, rest, indexed = strings.Cut(rest, "[")
		}
	}
	return out
}

// find goes down a path as far as it is there.
func find(node *yaml.Node, path []step) (at *yaml.Node, rest []step) {
	for len(path) > 0 {
		next := below(node, path[0])
		if next == nil || next.Kind == yaml.ScalarNode && next.Tag == "!!null" {
			break
		}
		node, path = next, path[1:]
	}
	return node, path
}

func below(node *yaml.Node, s step) *yaml.Node {
	switch {
	case node.Kind == yaml.SequenceNode && s.key == "" && s.index < len(node.Content):
		return node.Content[s.index]
	case node.Kind == yaml.MappingNode && s.key != "":
		if i := keyIn(node, s.key); i >= 0 {
			return node.Content[i+1]
		}
	}
	return nil
}

// keyIn is the index of a key in a mapping's content, -1 for none.
func keyIn(mapping *yaml.Node, key string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// set puts a value, written as flow style, at a path. What is missing on the way is made.
func (d *document) set(path []step, value string) error {
	root, err := d.root()
	if err != nil {
		return err
	}
	at, rest := find(root, path)
	if value, err = d.written(value); err != nil {
		return err
	}
	if len(rest) == 0 {
		return d.replace(at, value)
	}
	if at.Kind != yaml.MappingNode || slices.ContainsFunc(rest, func(s step) bool { return s.key == "" }) {
		return errNotThere
	}
	for i := len(rest) - 1; i > 0; i-- {
		value = "{" + d.key(rest[i].key) + ": " + value + "}"
	}
	if i := keyIn(at, rest[0].key); i >= 0 { // with nothing behind it
		return d.fill(at.Content[i], at.Content[i+1], value)
	}
	return d.insert(at, d.key(rest[0].key)+": "+value)
}

// before is what stands between a comma and a node like this one: the start of a line, or
// a space.
func (d *document) before(node *yaml.Node) string {
	from := d.offset(node)
	line := d.text[strings.LastIndexByte(d.text[:from], '\n')+1 : from]
	if from > len(line) && strings.TrimSpace(line) == "" {
		return "\n" + line
	}
	return " "
}

// isJSON reports whether the text is JSON, which the changed text then is, too.
func (d *document) isJSON() bool { return json.Valid([]byte(d.text)) }

// key writes a key.
func (d *document) key(key string) string {
	if d.isJSON() {
		return strconv.Quote(key)
	}
	return quote(key)
}

// written is a value, given in flow style, as the text has it.
func (d *document) written(value string) (string, error) {
	if !d.isJSON() {
		return value, nil
	}
	var v any
	if err := yaml.Unmarshal([]byte(value), &v); err != nil {
		return "", err
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// fill puts a value behind a key that has none.
func (d *document) fill(key, null *yaml.Node, value string) error {
	if null.Value != "" {
		return d.replace(null, value)
	}
	from := d.offset(key)
	colon := strings.IndexByte(d.text[from:], ':')
	if colon < 0 {
		return errWritten
	}
	d.text = d.text[:from+colon+1] + " " + value + d.text[from+colon+1:]
	return nil
}

// insert puts an entry into a mapping, before the others.
func (d *document) insert(mapping *yaml.Node, entry string) error {
	if mapping.Style&yaml.FlowStyle != 0 {
		from := d.offset(mapping)
		if from >= len(d.text) || d.text[from] != '{' {
			return errWritten
		}
		from++
		if len(mapping.Content) > 0 {
			entry += "," + d.before(mapping.Content[0])
			from = d.offset(mapping.Content[0])
		}
		d.text = d.text[:from] + entry + d.text[from:]
		return nil
	}
	if len(mapping.Content) == 0 {
		return errWritten
	}
	first := mapping.Content[0]
	from := d.offset(first)
	d.text = d.text[:from] + entry + "\n" + strings.Repeat(" ", first.Column-1) + d.text[from:]
	return nil
}

// replace puts a value in the place of a node.
func (d *document) replace(node *yaml.Node, value string) error {
	from, to, err := d.span(node)
	if err != nil {
		return err
	}
	if node.Kind != yaml.ScalarNode && node.Style&yaml.FlowStyle == 0 { // a block, on lines of its own
		from = len(strings.TrimRight(d.text[:from], " \t\r\n-"))
		value = " " + value
	}
	d.text = d.text[:from] + value + d.text[to:]
	return nil
}

// remove takes a key out of its mapping; one that is not there is removed already.
func (d *document) remove(path []step) error {
	root, err := d.root()
	if err != nil {
		return err
	}
	last := path[len(path)-1]
	mapping, rest := find(root, path[:len(path)-1])
	if len(rest) > 0 || mapping.Kind != yaml.MappingNode {
		return nil
	}
	i := keyIn(mapping, last.key)
	if i < 0 {
		return nil
	}
	from := d.offset(mapping.Content[i])
	_, to, err := d.span(mapping.Content[i+1])
	if err != nil {
		return err
	}
	if mapping.Style&yaml.FlowStyle != 0 {
		d.cutEntry(from, to)
		return nil
	}
	if len(mapping.Content) == 2 {
		return errWritten // an empty block
	}
	if i+2 < len(mapping.Content) { // up to the next key, in whose place it stands
		d.text = d.text[:from] + d.text[d.offset(mapping.Content[i+2]):]
		return nil
	}
	start := strings.LastIndexByte(d.text[:from], '\n') + 1
	end := to
	if n := strings.IndexByte(d.text[to:], '\n'); n >= 0 {
		end = to + n + 1
	}
	d.text = d.text[:start] + d.text[end:]
	return nil
}

// cutEntry takes an entry out of a mapping in flow style, with a comma beside it.
func (d *document) cutEntry(from, to int) {
	rest := strings.TrimLeft(d.text[to:], " \t\r\n")
	if strings.HasPrefix(rest, ",") {
		d.text = d.text[:from] + strings.TrimLeft(rest[1:], " \t\r\n")
		return
	}
	before := strings.TrimRight(d.text[:from], " \t\r\n")
	d.text = strings.TrimSuffix(before, ",") + d.text[to:]
}

// offset is where a node begins in the text.
func (d *document) offset(node *yaml.Node) int {
	at := 0
	for range node.Line - 1 {
		n := strings.IndexByte(d.text[at:], '\n')
		if n < 0 {
			return len(d.text)
		}
		at += n + 1
	}
	column := 1
	for i := range d.text[at:] { // columns are characters
		if column == node.Column {
			return at + i
		}
		column++
	}
	return len(d.text)
}

// span is where a node begins and ends.
func (d *document) span(node *yaml.Node) (from, to int, err error) {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return 0, 0, errWritten
	}
	from = d.offset(node)
	if from >= len(d.text) {
		return 0, 0, errWritten
	}
	switch c := d.text[from]; {
	case c == '"' || c == '\'' || c == '[' || c == '{':
		to = from + flowLength(d.text[from:])
	case node.Kind == yaml.ScalarNode && node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, 0, errWritten
	case node.Kind == yaml.ScalarNode:
		to = from + len(node.Value)
		if !strings.HasPrefix(d.text[from:], node.Value) {
			return 0, 0, errWritten
		}
	default:
		to = d.blockEnd(node, from)
	}
	if to <= from || to > len(d.text) {
		return 0, 0, errWritten
	}
	return from, to, nil
}

// blockEnd is where the last node within a block ends.
func (d *document) blockEnd(node *yaml.Node, from int) int {
	to := from
	for _, c := range node.Content {
		if _, end, err := d.span(c); err == nil && end > to {
			to = end
		} else if err != nil {
			return 0
		}
	}
	return to
}

// flowLength is the length of a quoted text, or of what is in brackets.
func flowLength(text string) int {
	var open []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '\'':
			for i++; i < len(text) && text[i] != '\''; i++ {
			}
		case '[', '{':
			open = append(open, c)
			continue
		case ']', '}':
			open = open[:max(len(open)-1, 0)]
		default:
			continue
		}
		if len(open) == 0 {
			return i + 1
		}
	}
	return 0
}

// quote writes a text as a scalar of flow style.
func quote(text string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_./-", r)
	}
	simple := text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 && text[0] != '-'
	var node yaml.Node
	if simple && yaml.Unmarshal([]byte(text), &node) == nil && len(node.Content) == 1 && node.Content[0].Tag == "!!str" {
		return text
	}
	return strconv.Quote(text)
}

// list writes texts as a sequence of flow style.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// texts returns the scalars of a sequence, or a mapping as KEY=VALUE each.
func (d *document) texts(path []step) ([]string, error) {
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	at, rest := find(root, path)
	if len(rest) > 0 {
		return nil, nil
	}
	var out []string
	for i := 0; i < len(at.Content); i++ {
		switch {
		case at.Kind == yaml.MappingNode:
			out = append(out, at.Content[i].Value+"="+at.Content[i+1].Value)
			i++
		case at.Content[i].Kind == yaml.ScalarNode:
			out = append(out, at.Content[i].Value)
		default:
			return nil, errWritten
		}
	}
	return out, nil
}

// add appends texts to a sequence, and makes it if need be.
func (d *document) add(path []step, more []string) error {
	have, err := d.texts(path)
	if err != nil {
		return err
	}
	for _, m := range more {
		if !slices.Contains(have, m) {
			have = append(have, m)
		}
	}
	return d.set(path, list(have))
}

// without takes texts out of a sequence.
func (d *document) without(path []step, out func(string) bool) error {
	have, err := d.texts(path)
	if err != nil || have == nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(have), out)
	if len(left) == len(have) {
		return nil
	}
	return d.set(path, list(left))
}

// at returns the path with more keys.
func at(path []step, keys ...string) []step {
	out := slices.Clone(path)
	for _, k := range keys {
		out = append(out, step{key: k})
	}
	return out
}

// onLine says that a document has something at a path on a line.
func onLine(path []step, line int) func(*yaml.Node) bool {
	return func(root *yaml.Node) bool {
		node, rest := find(root, path)
		if len(rest) > 0 {
			return false
		}
		if line == 0 || node.Line == line {
			return true
		}
		// A line may be that of the key before the value.
		parent, _ := find(root, path[:len(path)-1])
		i := -1
		if parent.Kind == yaml.MappingNode {
			i = keyIn(parent, path[len(path)-1].key)
		}
		return i >= 0 && parent.Content[i].Line == line
	}
}

// stillYAML says whether a changed text is YAML.
func stillYAML(text string) error {
	for decoder := yaml.NewDecoder(bytes.NewReader([]byte(text))); ; {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the changed file: %w", err)
		}
	}
}
