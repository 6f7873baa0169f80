package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// mutant is one change.
type mutant struct {
	pkg, file, function string
	kind, text          string // what is changed, on one line
	nth                 int    // of those that are alike in the function
}

// String names the change, by nothing that a line more elsewhere would change.
func (m mutant) String() string {
	name := fmt.Sprintf("%s %s %s: %s: %s", m.pkg, m.file, m.function, m.kind, m.text)
	if m.nth > 0 {
		name += fmt.Sprintf(" (%d)", m.nth+1)
	}
	return name
}

// pkg is a package with its types.
type pkg struct {
	folder, name string
	files        []string // from the repository's root
	fset         *token.FileSet
	parsed       map[string]*ast.File
	info         types.Info
	root         string
}

// load reads the files that this system builds.
func load(folder string) (*pkg, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c := exec.Command("go", "list", "-export", "-deps", "-f", `{{.ImportPath}}	{{.Export}}	{{if not .DepOnly}}{{.Name}}{{range .GoFiles}} {{.}}{{end}}{{end}}`, "./"+folder)
	c.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	p := &pkg{folder: folder, fset: token.NewFileSet(), parsed: map[string]*ast.File{}, root: root}
	exports := map[string]string{}
	var files []*ast.File
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		exports[fields[0]] = fields[1]
		words := strings.Fields(fields[2])
		if len(words) == 0 {
			continue
		}
		p.name = words[0]
		for _, name := range words[1:] {
			name = filepath.Join(folder, name)
			file, err := parser.ParseFile(p.fset, name, nil, parser.SkipObjectResolution|parser.ParseComments)
			if err != nil {
				return nil, err
			}
			p.files, p.parsed[name], files = append(p.files, name), file, append(files, file)
		}
	}
	p.info = types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	_, err = config.Check(folder, p.fset, files, &p.info)
	return p, err
}

func (p *pkg) absolute(name string) string { return filepath.Join(p.root, name) }

// mutate returns the file with every change in it, numbered from the one after
// first.
func (p *pkg) mutate(name string, first int) ([]byte, []mutant, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	f := &finder{pkg: p, file: name, text: text, first: first, seen: map[string]int{}}
	for _, decl := range p.parsed[name].Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			f.function = fn.Name.Name
			if fn.Recv != nil {
				f.function = strings.Trim(f.source(fn.Recv.List[0].Type), "*") + "." + f.function
			}
			f.block(fn.Body)
		}
	}
	return f.apply(), f.found, nil
}

// finder collects the changes of a file, as text around what is there.
type finder struct {
	*pkg
	file, function string
	text           []byte
	first          int
	found          []mutant
	seen           map[string]int
	before, after  map[int][]string
}

func (f *finder) source(n ast.Node) string {
	return string(f.text[f.fset.Position(n.Pos()).Offset:f.fset.Position(n.End()).Offset])
}

// add makes a change, and returns the number by which it is put in force.
func (f *finder) add(kind string, n ast.Node) string {
	m := mutant{pkg: f.folder, file: filepath.Base(f.file), function: f.function, kind: kind, text: strings.Join(strings.Fields(f.source(n)), " ")}
	if len(m.text) > 100 {
		m.text = m.text[:100] + "..."
	}
	m.nth = f.seen[m.String()]
	f.seen[mutant{pkg: m.pkg, file: m.file, function: m.function, kind: m.kind, text: m.text}.String()]++
	f.found = append(f.found, m)
	return strconv.Itoa(f.first + len(f.found))
}

// around puts text before and after a node, outside of what is there already.
func (f *finder) around(n ast.Node, before, after string) {
	if f.before == nil {
		f.before, f.after = map[int][]string{}, map[int][]string{}
	}
	from, to := f.fset.Position(n.Pos()).Offset, f.fset.Position(n.End()).Offset
	f.before[from] = append(f.before[from], before)
	f.after[to] = append(f.after[to], after)
}

// apply returns the text with what was put in: what was added last is outermost.
func (f *finder) apply() []byte {
	var out bytes.Buffer
	for i := 0; i <= len(f.text); i++ {
		for _, s := range f.after[i] {
			out.WriteString(s)
		}
		for j := len(f.before[i]) - 1; j >= 0; j-- {
			out.WriteString(f.before[i][j])
		}
		if i < len(f.text) {
			out.WriteByte(f.text[i])
		}
	}
	return out.Bytes()
}
