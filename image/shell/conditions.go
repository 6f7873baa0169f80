package shell

import (
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// truth is whether a condition holds.
type truth int

const (
	no truth = iota
	yes
	maybe
)

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	default:
		return maybe
	}
}

func truthOf(is bool) truth {
	if is {
		return yes
	}
	return no
}

// not words that a clause does not hold.
func not(clause string) string {
	if rest, ok := strings.CutSuffix(clause, " holds"); ok {
		return rest + " does not hold"
	}
	if rest, ok := strings.CutSuffix(clause, " succeeds"); ok {
		return rest + " fails"
	}
	if rest, ok := strings.CutPrefix(clause, "not: "); ok {
		return rest
	}
	if clause == "" {
		return ""
	}
	return "not: " + clause
}

// condition says whether a command succeeds, and words it, if it is a test.
func (r *reader) condition(s *syntax.Stmt, w *way, depth int) (is truth, clause string) {
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		is, clause = r.test(c, w)
		if clause == "" {
			is, clause = r.succeeds(c, w, depth)
		}
	case *syntax.TestClause:
		is, clause = r.expression(c.X, w), text(c)
	case *syntax.BinaryCmd:
		is, clause = r.both(c, w, depth)
	default:
		is = maybe
	}
	if s.Negated {
		is = is.not()
		if clause != "" {
			clause = not(clause)
		}
	}
	return is, clause
}

// succeeds says whether a function of the script that is called does, if it returns the
// same on every way.
func (r *reader) succeeds(c *syntax.CallExpr, w *way, depth int) (truth, string) {
	if len(c.Args) == 0 || depth > deepest {
		return maybe, ""
	}
	name := c.Args[0].Lit()
	body := r.functions[name]
	if body == nil {
		return maybe, ""
	}
	args, known := r.words(c.Args[1:], w)
	is := maybe
	for i, left := range r.run(body, args, known, *w, depth) {
		if i > 0 && left.status != is {
			is = maybe
			break
		}
		is = left.status
	}
	return is, name + " of " + r.script + " succeeds"
}

// both is a condition of two.
func (r *reader) both(c *syntax.BinaryCmd, w *way, depth int) (truth, string) {
	x, xs := r.condition(c.X, w, depth)
	y, ys := r.condition(c.Y, w, depth)
	is, joined := maybe, ""
	switch c.Op {
	case syntax.AndStmt:
		is, joined = and(x, y), xs+" and "+ys
	case syntax.OrStmt:
		is, joined = and(x.not(), y.not()).not(), xs+" or "+ys
	}
	if (xs == "" || ys == "") && is == maybe {
		return maybe, ""
	}
	return is, joined
}

func and(x, y truth) truth {
	switch {
	case x == no || y == no:
		return no
	case x == yes && y == yes:
		return yes
	default:
		return maybe
	}
}

// test is [ and test, true and false.
func (r *reader) test(c *syntax.CallExpr, w *way) (truth, string) {
	if len(c.Args) == 0 {
		return maybe, ""
	}
	args := c.Args[1:]
	switch c.Args[0].Lit() {
	case "true", ":":
		return yes, "true holds"
	case "false":
		return no, "false holds"
	case "[":
		if len(args) == 0 || args[len(args)-1].Lit() != "]" {
			return maybe, ""
		}
		args = args[:len(args)-1]
	case "test":
	default:
		return maybe, ""
	}
	return r.operands(args, w), words(args)
}

// operands evaluates the words of [: -o binds loosest, then -a, then !.
func (r *reader) operands(args []*syntax.Word, w *way) truth {
	for _, op := range []string{"-o", "-a"} {
		for i := 1; i+1 < len(args); i++ {
			if args[i].Lit() != op {
				continue
			}
			x, y := r.operands(args[:i], w), r.operands(args[i+1:], w)
			if op == "-o" {
				return and(x.not(), y.not()).not()
			}
			return and(x, y)
		}
	}
	if len(args) > 1 && args[0].Lit() == "!" {
		return r.operands(args[1:], w).not()
	}
	switch len(args) {
	case 1:
		return r.unary("-n", args[0], w)
	case 2:
		return r.unary(args[0].Lit(), args[1], w)
	case 3:
		x, xKnown := r.one(args[0], w)
		y, yKnown := r.one(args[2], w)
		if !xKnown || !yKnown {
			return maybe
		}
		return compare(args[1].Lit(), x, y)
	default:
		return maybe
	}
}

func (r *reader) unary(op string, arg *syntax.Word, w *way) truth {
	value, known := r.one(arg, w)
	if !known {
		return maybe
	}
	switch op {
	case "-n":
		return truthOf(value != "")
	case "-z":
		return truthOf(value == "")
	default: // files
		return maybe
	}
}

func compare(op, x, y string) truth {
	switch op {
	case "=", "==":
		return truthOf(x == y)
	case "!=":
		return truthOf(x != y)
	}
	a, errA := strconv.Atoi(x)
	b, errB := strconv.Atoi(y)
	if errA != nil || errB != nil {
		return maybe
	}
	switch op {
	case "-eq":
		return truthOf(a == b)
	case "-ne":
		return truthOf(a != b)
	case "-lt":
		return truthOf(a < b)
	case "-le":
		return truthOf(a <= b)
	case "-gt":
		return truthOf(a > b)
	case "-ge":
		return truthOf(a >= b)
	default:
		return maybe
	}
}

// expression evaluates [[ ]].
func (r *reader) expression(x syntax.TestExpr, w *way) truth {
	switch e := x.(type) {
	case *syntax.Word:
		return r.unary("-n", e, w)
	case *syntax.ParenTest:
		return r.expression(e.X, w)
	case *syntax.UnaryTest:
		if e.Op == syntax.TsNot {
			return r.expression(e.X, w).not()
		}
		if word, ok := e.X.(*syntax.Word); ok {
			return r.unary(e.Op.String(), word, w)
		}
	case *syntax.BinaryTest:
		return r.binaryTest(e, w)
	}
	return maybe
}

func (r *reader) binaryTest(e *syntax.BinaryTest, w *way) truth {
	switch e.Op {
	case syntax.AndTest:
		return and(r.expression(e.X, w), r.expression(e.Y, w))
	case syntax.OrTest:
		return and(r.expression(e.X, w).not(), r.expression(e.Y, w).not()).not()
	}
	left, ok := e.X.(*syntax.Word)
	right, isWord := e.Y.(*syntax.Word)
	if !ok || !isWord {
		return maybe
	}
	x, xKnown := r.one(left, w)
	y, yKnown := r.one(right, w)
	if !xKnown || !yKnown || strings.ContainsAny(y, "*?[") && !quoted(right) {
		return maybe
	}
	return compare(e.Op.String(), x, y)
}

// text is a condition as the script has it, on one line.
func text(node syntax.Node) string {
	var b strings.Builder
	if err := syntax.NewPrinter(syntax.SingleLine(true)).Print(&b, node); err != nil {
		return ""
	}
	return clip(b.String()) + " holds"
}

func words(args []*syntax.Word) string {
	var parts []string
	for _, a := range args {
		parts = append(parts, strings.TrimSuffix(text(a), " holds"))
	}
	return clip("[ "+strings.Join(parts, " ")+" ]") + " holds"
}

// clip shortens a condition to what is worth reading.
func clip(s string) string {
	const most = 60
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
