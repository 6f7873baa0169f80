package overlay

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// LayoutError says that a toolchain's standard library is not as this package
// knows it. Nothing is injected then.
type LayoutError struct {
	// Place is the file and, where there is one, the line.
	Place string
	// Want is what was looked for.
	Want string
}

// Error returns one line.
func (e *LayoutError) Error() string {
	return fmt.Sprintf("%s: want %s: this version of Go is not known, and nothing was injected", e.Place, e.Want)
}

// hooked is a file of the standard library that calls what was transplanted.
type hooked struct {
	name  string // in the file system
	fset  *token.FileSet
	file  *ast.File
	edits edits
}

func parse(name string, text []byte) (*hooked, error) {
	h := &hooked{name: name, fset: token.NewFileSet()}
	var err error
	h.file, err = parser.ParseFile(h.fset, name, text, parser.SkipObjectResolution)
	return h, err
}

// unlike returns an error about a place in the file; a nil place is all of it.
func (h *hooked) unlike(n ast.Node, format string, args ...any) error {
	place := h.name
	if n != nil {
		place = fmt.Sprintf("%s:%d", h.name, h.fset.Position(n.Pos()).Line)
	}
	return &LayoutError{place, fmt.Sprintf(format, args...)}
}

// signature is the name of a function and those of its parameters.
type signature struct {
	name   string
	params []string
}

// function finds a function, or a method by the type that receives it, whose
// parameters have these names.
func (h *hooked) function(receiver, name string, params ...string) (*ast.FuncDecl, error) {
	for _, d := range h.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != name || receiverOf(f) != receiver {
			continue
		}
		if got := namesOf(f.Type.Params); !slices.Equal(got, params) {
			return nil, h.unlike(f, "func %s with the parameters %s, not %s", name, strings.Join(params, ", "), strings.Join(got, ", "))
		}
		return f, nil
	}
	return nil, h.unlike(nil, "func %s", name)
}

func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return ""
	}
	if p, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok && len(f.Recv.List[0].Names) == 1 {
		if id, ok := p.X.(*ast.Ident); ok {
			return "*" + id.Name
		}
	}
	return "?"
}

func namesOf(l *ast.FieldList) []string {
	var names []string
	for _, f := range l.List {
		for _, n := range f.Names {
			names = append(names, n.Name)
		}
	}
	return names
}

// lastReturn returns the return statement at the end of a function, of the name
// or, if that is "", bare.
func (h *hooked) lastReturn(f *ast.FuncDecl, name string) (*ast.ReturnStmt, error) {
	if f.Body != nil && len(f.Body.List) > 0 {
		if r, ok := f.Body.List[len(f.Body.List)-1].(*ast.ReturnStmt); ok {
			if len(r.Results) == 0 && name == "" {
				return r, nil
			}
			if len(r.Results) == 1 {
				if id, ok := r.Results[0].(*ast.Ident); ok && id.Name == name {
					return r, nil
				}
			}
		}
	}
	return nil, h.unlike(f, "func %s to end with %q", f.Name.Name, strings.TrimSpace("return "+name))
}

// hook is what a file of the standard library gets.
type hook struct {
	file   string   // below GOROOT/src; ARCH stands for GOARCH
	arches []string // nil for all
	apply  func(h *hooked, arch string) error
}

var hooks = []hook{
	{"syscall/syscall_linux.go", nil, hookSyscall},
	{"syscall/syscall_linux_ARCH.go", socketcallArches, hookSocketcall},
	{"runtime/proc.go", nil, hookStart},
	{"net/sock_posix.go", nil, hookListen},
	{"net/net.go", nil, hookOpError},
}

// socketcallArches make bind(2) through socketcall(2), for which package syscall
// and golang.org/x/sys/unix have a function in assembly.
var socketcallArches = []string{"386", "s390x"}

// hookSyscall lets the functions for system calls call Rebind where a bind is
// refused. syscall.Bind and unix.Bind of golang.org/x/sys go through Syscall; the
// others are for who makes the call by its number. RawSyscall6 stays: the first
// two call it while the runtime takes their goroutine to be in the kernel, and
// Rebind itself does.
func hookSyscall(h *hooked, arch string) error {
	call := "if err == EACCES && trap == SYS_BIND { return capwiseRebind(a1, unsafe.Pointer(a2), a3) }; "
	if slices.Contains(socketcallArches, arch) {
		call = "if err == EACCES { if trap == capwiseSysDirectBind { return capwiseRebind(a1, unsafe.Pointer(a2), a3) }; " +
			"if trap == SYS_SOCKETCALL && a1 == capwiseSysBind { return capwiseRebindArgs(unsafe.Pointer(a2)) } }; "
	}
	for _, to := range []signature{
		{"Syscall", []string{"trap", "a1", "a2", "a3"}},
		{"Syscall6", []string{"trap", "a1", "a2", "a3", "a4", "a5", "a6"}},
	} {
		f, err := h.syscallFunction(to.name, to.params)
		if err != nil {
			return err
		}
		last, err := h.lastReturn(f, "")
		if err != nil {
			return err
		}
		h.edits.insert(h.fset, last.Pos(), call)
	}
	f, err := h.syscallFunction("RawSyscall", []string{"trap", "a1", "a2", "a3"})
	if err != nil {
		return err
	}
	last := onlyReturns(f, "RawSyscall6")
	if last == nil {
		return h.unlike(f, "func RawSyscall to be \"return RawSyscall6(...)\"")
	}
	h.edits.insert(h.fset, last.Pos(), "r1, r2, err = ")
	h.edits.cut(h.fset, last.Pos(), last.Results[0].Pos())
	h.edits.insert(h.fset, last.End(), "; "+call+"return")
	return nil
}

// syscallFunction finds a function with the results of Syscall.
func (h *hooked) syscallFunction(name string, params []string) (*ast.FuncDecl, error) {
	f, err := h.function("", name, params...)
	if err != nil {
		return nil, err
	}
	if got := namesOf(f.Type.Results); !slices.Equal(got, []string{"r1", "r2", "err"}) {
		return nil, h.unlike(f, "func %s with the results r1, r2, err", name)
	}
	return f, nil
}

// onlyReturns returns the one statement of a function, which returns what another
// function does; nil if it is not like that.
func onlyReturns(f *ast.FuncDecl, called string) *ast.ReturnStmt {
	if f.Body == nil || len(f.Body.List) != 1 {
		return nil
	}
	r, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return nil
	}
	c, ok := r.Results[0].(*ast.CallExpr)
	if !ok {
		return nil
	}
	if id, ok := c.Fun.(*ast.Ident); !ok || id.Name != called {
		return nil
	}
	return r
}

// hookSocketcall puts a function in Go before the one in assembly, which gets
// another name.
func hookSocketcall(h *hooked, _ string) error {
	f, err := h.function("", "socketcall", "call", "a0", "a1", "a2", "a3", "a4", "a5")
	if err != nil {
		return err
	}
	if f.Body != nil {
		return h.unlike(f, "func socketcall without a body")
	}
	h.edits.replace(h.fset, f.Name, "capwiseSocketcall")
	return nil
}

// hookAssembly renames socketcall in the assembly.
func hookAssembly(name string, text []byte) ([]byte, error) {
	const old, renamed = "TEXT ·socketcall(SB)", "TEXT ·capwiseSocketcall(SB)"
	if strings.Count(string(text), old) != 1 {
		return nil, &LayoutError{name, old + ", once"}
	}
	return []byte(strings.Replace(string(text), old, renamed, 1)), nil
}

// serviceVariable is what systemd sets for services, and for nothing else.
const serviceVariable = "INVOCATION_ID"

// hookStart lets the runtime's initialization, which has one thread, demote what
// the process was started with.
func hookStart(h *hooked, _ string) error {
	f, err := h.function("", "schedinit")
	if err != nil {
		return err
	}
	if !calls(f, "goenvs") {
		return h.unlike(f, "func schedinit to call goenvs")
	}
	h.edits.insert(h.fset, f.Body.Rbrace, fmt.Sprintf("capwiseStart(islibrary || isarchive, gogetenv(%q), gogetenv(%q));", StartVariable, serviceVariable))
	return nil
}

// hookListen lets what package net binds for listeners and packet connections
// note why a bind was refused, when it was.
func hookListen(h *hooked, _ string) error {
	for _, to := range []signature{
		{"listenStream", []string{"ctx", "laddr", "backlog", "ctrlCtxFn"}},
		{"listenDatagram", []string{"ctx", "laddr", "ctrlCtxFn"}},
	} {
		f, err := h.function("*netFD", to.name, to.params...)
		if err != nil {
			return err
		}
		body := ifBindFails(f)
		if body == nil {
			return h.unlike(f, "func %s to have one statement \"if err = syscall.Bind(...); err != nil\"", to.name)
		}
		h.edits.insert(h.fset, body.Lbrace+1, " capwiseRefused(laddr, err); ")
	}
	return nil
}

// ifBindFails returns what a function does where syscall.Bind fails, nil unless
// there is one such place.
func ifBindFails(f *ast.FuncDecl) *ast.BlockStmt {
	var bodies []*ast.BlockStmt
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.IfStmt)
		if !ok {
			return true
		}
		if a, ok := s.Init.(*ast.AssignStmt); ok && len(a.Rhs) == 1 && isCall(a.Rhs[0], "syscall", "Bind") {
			bodies = append(bodies, s.Body)
		}
		return true
	})
	if len(bodies) != 1 {
		return nil
	}
	return bodies[0]
}

func isCall(e ast.Expr, pkg, name string) bool {
	c, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// hookOpError lets the error of a listener say what was noted. Its type and all
// that it wraps stay as they are.
func hookOpError(h *hooked, _ string) error {
	f, err := h.function("*OpError", "Error")
	if err != nil {
		return err
	}
	last, err := h.lastReturn(f, "s")
	if err != nil {
		return err
	}
	h.edits.insert(h.fset, last.Pos(), "s += capwiseWhy("+f.Recv.List[0].Names[0].Name+"); ")
	return nil
}

func calls(f *ast.FuncDecl, name string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			id, ok := c.Fun.(*ast.Ident)
			found = found || ok && id.Name == name
		}
		return !found
	})
	return found
}
