package main

import (
	"go/ast"
	"go/token"
	"go/types"
)

// block looks for changes in a function's body, inner ones first.
func (f *finder) block(body ast.Node) {
	var parents []ast.Node
	ast.Inspect(body, func(n ast.Node) bool {
		if n != nil {
			if f.leaveOut(n) {
				return false
			}
			parents = append(parents, n)
			return true
		}
		n = parents[len(parents)-1]
		parents = parents[:len(parents)-1]
		var parent ast.Node
		if len(parents) > 0 {
			parent = parents[len(parents)-1]
		}
		f.node(n, parent)
		return true
	})
}

// leaveOut reports whether a node holds nothing that can be changed: types,
// constants, and text for people.
func (f *finder) leaveOut(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.CONST || n.Tok == token.TYPE
	case ast.Expr:
		t, ok := f.info.Types[n]
		return ok && (t.IsType() || t.Value != nil && !isBool(n))
	default:
		return false
	}
}

func isBool(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && (id.Name == "true" || id.Name == "false")
}

// node makes the changes of one node.
func (f *finder) node(n, parent ast.Node) {
	switch n := n.(type) {
	case *ast.Ident:
		f.literal(n, parent)
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			f.negate(n.Cond)
		}
	case *ast.CaseClause:
		for _, e := range n.List {
			if t, ok := f.info.Types[e]; ok && isBoolean(t.Type) && t.Value == nil {
				f.negate(e)
			}
		}
	case *ast.ExprStmt, *ast.AssignStmt, *ast.IncDecStmt:
		f.statement(n.(ast.Stmt), parent)
	}
}

func isBoolean(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// literal turns a true or false that is returned or assigned around.
func (f *finder) literal(id *ast.Ident, parent ast.Node) {
	t, ok := f.info.Types[id]
	if !ok || t.Value == nil || !isBool(id) {
		return
	}
	switch parent.(type) {
	case *ast.ReturnStmt, *ast.AssignStmt, *ast.KeyValueExpr:
		f.around(id, "(", " != (capwiseMutant == "+f.add("turn", id)+"))")
	}
}

// negate turns a condition around.
func (f *finder) negate(e ast.Expr) {
	f.around(e, "((", ") != (capwiseMutant == "+f.add("negate", e)+"))")
}

// changed is what an operator becomes.
var changed = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.AND: "|", token.OR: "&", token.AND_NOT: "&", token.XOR: "|",
	token.ADD: "-", token.SUB: "+",
}

// binary drops operands of && and ||, moves boundaries by one, and takes another
// operator for sets and numbers.
func (f *finder) binary(e *ast.BinaryExpr) {
	switch e.Op {
	case token.LAND:
		f.around(e.X, "((", ") || capwiseMutant == "+f.add("drop", e.X)+")")
		f.around(e.Y, "((", ") || capwiseMutant == "+f.add("drop", e.Y)+")")
		return
	case token.LOR:
		f.around(e.X, "((", ") && capwiseMutant != "+f.add("drop", e.X)+")")
		f.around(e.Y, "((", ") && capwiseMutant != "+f.add("drop", e.Y)+")")
		return
	}
	op, ok := changed[e.Op]
	b, basic := f.info.Types[e.X].Type.Underlying().(*types.Basic)
	if !ok || !basic || b.Info()&types.IsInteger == 0 || !pure(e.X) || !pure(e.Y) {
		return
	}
	other := "(" + f.source(e.X) + ") " + op + " (" + f.source(e.Y) + ")"
	f.around(e, "capwisePick("+f.add("operator", e)+", "+other+", ", ")")
}

// pure reports whether an expression can be evaluated twice.
func pure(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			id, builtin := n.Fun.(*ast.Ident)
			ok = ok && builtin && (id.Name == "len" || id.Name == "uint64" || id.Name == "int" || id.Name == "uint32")
		case *ast.FuncLit, *ast.UnaryExpr:
			ok = false
		}
		return ok
	})
	return ok
}

// statement leaves a statement out. A definition has to stay, and what ends a
// function.
func (f *finder) statement(s ast.Stmt, parent ast.Node) {
	switch parent.(type) {
	case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
	default:
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE {
			return
		}
	case *ast.ExprStmt:
		if c, ok := s.X.(*ast.CallExpr); ok {
			if id, ok := c.Fun.(*ast.Ident); ok && id.Name == "panic" {
				return
			}
		}
	}
	f.around(s, "if capwiseMutant != "+f.add("remove", s)+" { ", " }")
}
