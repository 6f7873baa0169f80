package overlay

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// prefix is what the names of transplanted declarations begin with, so that they
// meet no other name of the standard library.
const prefix = "capwise"

// ownModule is the path that this module's packages begin with.
const ownModule = "github.com/capwise/capwise/"

// transplanter makes files of this module's packages files of a package of the
// standard library, under names of their own.
type transplanter struct {
	// target is the path of that package. What it declares itself loses its
	// qualifier.
	target string
	// adapted is a package that target cannot import: its names get the prefix,
	// and somebody else declares them.
	adapted string
	// arch is the GOARCH. Files for others are left out.
	arch string

	fset  *token.FileSet
	info  types.Info
	scope *types.Scope
}

// transplant returns the named files of a package as those of target.
func (t *transplanter) transplant(source fs.FS, names ...string) (map[string][]byte, error) {
	t.fset = token.NewFileSet()
	texts := map[string][]byte{}
	var files []*ast.File
	for _, name := range names {
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if t.builds(file) {
			texts[name] = text
			files = append(files, file)
		}
	}
	t.resolve(files)
	out := map[string][]byte{}
	for _, file := range files {
		name := t.fset.File(file.FileStart).Name()
		e := t.edits(file)
		out[prefix+"_"+path.Base(name)] = e.apply(texts[name])
	}
	return out, nil
}

// builds reports whether the file's build constraint, if any, is met.
func (t *transplanter) builds(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if c.Pos() > file.Package || !constraint.IsGoBuild(c.Text) {
				continue
			}
			x, err := constraint.Parse(c.Text)
			return err == nil && x.Eval(func(tag string) bool { return tag == "linux" || tag == t.arch })
		}
	}
	return true
}

// resolve finds out what each name means. Types do not matter, so what imports
// bring need not be there.
func (t *transplanter) resolve(files []*ast.File) {
	t.info = types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: nothing{}, Error: func(error) {}, DisableUnusedImportCheck: true}
	pkg, _ := config.Check(files[0].Name.Name, t.fset, files, &t.info) // its errors are about what is not there
	t.scope = pkg.Scope()
}

// nothing imports empty packages.
type nothing struct{}

// Import implements [types.Importer].
func (nothing) Import(name string) (*types.Package, error) {
	if name == "unsafe" {
		return types.Unsafe, nil
	}
	pkg := types.NewPackage(name, path.Base(name))
	pkg.MarkComplete()
	return pkg, nil
}

// edits returns what becomes of one file.
func (t *transplanter) edits(file *ast.File) edits {
	var e edits
	e.replace(t.fset, file.Name, path.Base(t.target))
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return !t.dropImports(n, &e)
		case *ast.SelectorExpr:
			if name := t.selected(n); name != "" {
				e.replace(t.fset, n, name)
				return false
			}
		case *ast.Ident:
			if t.isOwn(n) {
				e.replace(t.fset, n, prefixed(n.Name))
			}
		}
		return true
	})
	return e
}

// dropImports takes out the imports that a declaration of them has no more use
// for, and reports whether it was one.
func (t *transplanter) dropImports(d *ast.GenDecl, e *edits) bool {
	if d.Tok != token.IMPORT {
		return false
	}
	var dropped []ast.Node
	for _, s := range d.Specs {
		name, _ := strconv.Unquote(s.(*ast.ImportSpec).Path.Value) // parsed already
		if name == t.target || name == t.adapted || strings.HasPrefix(name, ownModule) {
			dropped = append(dropped, s)
		}
	}
	if len(dropped) == len(d.Specs) {
		dropped = []ast.Node{d}
	}
	for _, n := range dropped {
		e.replace(t.fset, n, "")
	}
	return true
}

// selected returns what pkg.Name is called in target; "" where it stays.
func (t *transplanter) selected(s *ast.SelectorExpr) string {
	id, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	pkg, ok := t.info.Uses[id].(*types.PkgName)
	if !ok {
		return ""
	}
	switch name := pkg.Imported().Path(); {
	case name == t.target:
		return s.Sel.Name
	case name == t.adapted, strings.HasPrefix(name, ownModule):
		return prefixed(s.Sel.Name)
	default:
		return ""
	}
}

// isOwn reports whether the name is one that the transplanted package declares.
func (t *transplanter) isOwn(id *ast.Ident) bool {
	object := t.info.Defs[id]
	if object == nil {
		object = t.info.Uses[id]
	}
	return object != nil && object.Parent() == t.scope
}

func prefixed(name string) string {
	r, n := utf8.DecodeRuneInString(name)
	return fmt.Sprintf("%s%c%s", prefix, unicode.ToUpper(r), name[n:])
}
