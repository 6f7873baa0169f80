// Package shell reads shell scripts, such as the entrypoints of images, for what they
// execute at last. It runs nothing. It follows a script as far as it can tell what the
// script does from its text, its arguments and whom it runs as; where a condition is
// not known, it follows both ways. It implements [lookup.Scripts].
package shell

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/capwise/capwise/scenario/lookup"
)

// Scripts reads scripts of POSIX shells and bash.
type Scripts struct{}

var _ lookup.Scripts = Scripts{}

// Limits of what is followed: statements within each other, ways through a script that
// are followed side by side, and statements in all.
const (
	deepest  = 32
	mostWays = 64
	mostRead = 20_000
)

// Endings implements [lookup.Scripts].
func (Scripts) Endings(text string, args []string, uid *uint32) []lookup.Ending {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		return nil
	}
	r := reader{uid: uid, script: args[0], functions: map[string]*syntax.Stmt{}}
	start := way{args: args[1:], known: true, variables: map[string]string{}}
	through := r.statements(file.Stmts, []way{start}, 0)
	if r.read > mostRead {
		return nil
	}
	for _, w := range through { // to the end of the script
		if w.lost || w.last != nil {
			r.end(w, w.last)
		}
	}
	return r.distinct()
}

// reader is a script that is followed.
type reader struct {
	uid       *uint32
	script    string
	functions map[string]*syntax.Stmt
	endings   []lookup.Ending
	read      int        // how many statements
	returned  []returned // from the function that is followed
}

// returned is a way that leaves a function, and whether the function succeeds.
type returned struct {
	way
	status truth
}

// way is one way through the script, as far as it has come.
type way struct {
	args      []string // the positional parameters, if they are known
	known     bool
	variables map[string]string
	ifs       []string
	last      []string // the command that was executed last; nil if it does not matter
	lost      bool     // it may be one that cannot be told
}

// same reports whether two ways have come to the same.
func (w *way) same(o *way) bool {
	return w.known == o.known && w.lost == o.lost && slices.Equal(w.args, o.args) && maps.Equal(w.variables, o.variables) &&
		(w.last == nil) == (o.last == nil) && slices.Equal(w.last, o.last)
}

// rejoin makes one of the ways that have come to the same.
func rejoin(ways []way) []way {
	var out []way
	for _, w := range ways {
		at := slices.IndexFunc(out, func(o way) bool { return o.same(&w) })
		if at < 0 {
			out = append(out, w)
			continue
		}
		n := 0
		for n < len(w.ifs) && n < len(out[at].ifs) && w.ifs[n] == out[at].ifs[n] {
			n++
		}
		out[at].ifs = w.ifs[:n:n]
	}
	return out
}

// cannotTell returns the way behind something that may execute anything.
func (w way) cannotTell() way {
	w.last, w.lost = nil, true
	return w
}

// beyond returns the way behind something that executes nothing which goes on.
func (w way) beyond() way {
	w.last, w.lost = nil, false
	return w
}

// when returns the way on which a condition holds, too.
func (w way) when(clause string) way {
	if clause != "" {
		w.ifs = append(w.ifs[:len(w.ifs):len(w.ifs)], clause)
	}
	w.variables = maps.Clone(w.variables)
	return w
}

// end notes that a way ends in a command; nil is one that cannot be told.
func (r *reader) end(w way, args []string) {
	r.endings = append(r.endings, lookup.Ending{Args: args, If: strings.Join(w.ifs, " and ")})
}

// distinct returns the endings, each command line once. What has to be so is left out
// where there is no other.
func (r *reader) distinct() []lookup.Ending {
	var out []lookup.Ending
	for _, e := range r.endings {
		same := slices.IndexFunc(out, func(o lookup.Ending) bool {
			return (o.Args == nil) == (e.Args == nil) && slices.Equal(o.Args, e.Args)
		})
		switch {
		case same < 0:
			out = append(out, e)
		case out[same].If != e.If:
			out[same].If = join(out[same].If, e.If)
		}
	}
	if len(out) == 1 {
		out[0].If = ""
	}
	return out
}

// join is one of two conditions: none, if one of them is always so.
func join(a, b string) string {
	if a == "" || b == "" {
		return "otherwise"
	}
	return a + ", or " + b
}

// statements follows a list of statements, and returns the ways that come to its end.
func (r *reader) statements(list []*syntax.Stmt, ways []way, depth int) []way {
	for _, s := range list {
		var next []way
		for _, w := range ways {
			next = append(next, r.statement(s, w, depth)...)
		}
		if ways = rejoin(next); len(ways) > mostWays {
			r.read = mostRead + 1
		}
		if len(ways) == 0 || r.read > mostRead {
			return nil
		}
	}
	return ways
}

func (r *reader) statement(s *syntax.Stmt, w way, depth int) []way {
	if r.read++; depth > deepest || r.read > mostRead {
		r.end(w, nil)
		return nil
	}
	if s.Background || s.Coprocess {
		return []way{w.cannotTell()}
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		return r.call(c, w, depth)
	case *syntax.Block:
		return r.statements(c.Stmts, []way{w}, depth+1)
	case *syntax.IfClause:
		return r.ifClause(c, w, depth)
	case *syntax.CaseClause:
		return r.caseClause(c, w, depth)
	case *syntax.BinaryCmd:
		return r.binary(c, w, depth)
	case *syntax.FuncDecl:
		r.functions[c.Name.Value] = c.Body
	case *syntax.DeclClause:
		r.assign(&w, c.Args)
	case *syntax.WhileClause:
		return r.loop(c.Do, w, depth)
	case *syntax.ForClause:
		return r.forClause(c, w, depth)
	case *syntax.TestClause, *syntax.ArithmCmd, *syntax.LetClause:
		return []way{w.beyond()}
	default: // subshells, time
		return []way{w.cannotTell()}
	}
	return []way{w}
}

// forClause follows a loop over words, if they are known and few.
func (r *reader) forClause(c *syntax.ForClause, w way, depth int) []way {
	const most = 32
	list, ok := c.Loop.(*syntax.WordIter)
	if !ok {
		return r.loop(c.Do, w, depth)
	}
	items, known := slices.Clone(w.args), w.known
	if list.InPos.IsValid() {
		items, known = r.words(list.Items, &w)
	}
	if !known || len(items) > most {
		return r.loop(c.Do, w, depth)
	}
	ways := []way{w.beyond()}
	for _, item := range items {
		for i := range ways {
			ways[i].variables = maps.Clone(ways[i].variables)
			ways[i].variables[list.Name.Value] = item
		}
		ways = r.statements(c.Do, ways, depth+1)
	}
	return ways
}

// loop follows the body of a loop, which may run or not, once: what it assigns is not
// known behind it.
func (r *reader) loop(body []*syntax.Stmt, w way, depth int) []way {
	inside := w.when("a loop of " + r.script + " is run")
	inside.variables, inside.known = map[string]string{}, false
	ways := append([]way{w}, r.statements(body, []way{inside}, depth+1)...)
	first := ways[0].beyond()
	if len(ways) > 1 && ways[len(ways)-1].last != nil {
		first = first.cannotTell() // a server may run in it, again and again
	}
	first.variables = map[string]string{}
	return []way{first}
}

// binary follows A && B, A || B and pipes.
func (r *reader) binary(c *syntax.BinaryCmd, w way, depth int) []way {
	switch c.Op {
	case syntax.AndStmt, syntax.OrStmt:
	default: // a pipe, in which nothing replaces the shell
		return []way{w.cannotTell()}
	}
	is, clause := r.condition(c.X, &w, depth)
	if is == maybe && clause == "" { // a command, which is executed
		left := r.statement(c.X, w, depth+1)
		if len(left) == 0 {
			return nil
		}
		w = left[0].beyond()
		clause = "a command of " + r.script + " succeeds"
	}
	then, otherwise := w.when(clause), w.when(not(clause))
	if c.Op == syntax.OrStmt {
		then, otherwise = otherwise, then
		is = is.not()
	}
	switch is {
	case yes:
		return r.statement(c.Y, w, depth+1)
	case no:
		return []way{w}
	default:
		return append(r.statement(c.Y, then, depth+1), otherwise)
	}
}

func (r *reader) ifClause(c *syntax.IfClause, w way, depth int) []way {
	if c == nil {
		return []way{w}
	}
	if len(c.Cond) == 0 { // else
		return r.statements(c.Then, []way{w}, depth+1)
	}
	is, clause := r.condition(c.Cond[len(c.Cond)-1], &w, depth)
	if clause == "" {
		clause = "a condition of " + r.script + " holds"
	}
	var out []way
	if is != no {
		then := w
		if is == maybe {
			then = w.when(clause)
		}
		out = r.statements(c.Then, []way{then}, depth+1)
	}
	if is != yes {
		otherwise := w
		if is == maybe {
			otherwise = w.when(not(clause))
		}
		out = append(out, r.ifClause(c.Else, otherwise, depth+1)...)
	}
	return out
}

func (r *reader) caseClause(c *syntax.CaseClause, w way, depth int) []way {
	word, known := r.one(c.Word, &w)
	var out []way
	for _, item := range c.Items {
		is := r.matches(item.Patterns, word, known, &w)
		if is == no {
			continue
		}
		inside := w
		if is == maybe {
			inside = w.when("a case of " + r.script + " applies")
		}
		out = append(out, r.statements(item.Stmts, []way{inside}, depth+1)...)
		if is == yes {
			return out
		}
	}
	return append(out, w)
}

// matches says whether a word matches one of some patterns.
func (r *reader) matches(patterns []*syntax.Word, word string, known bool, w *way) truth {
	for _, p := range patterns {
		text, literal := r.one(p, w)
		switch {
		case literal && text == "*":
			return yes
		case !known || !literal:
			return maybe
		case strings.ContainsAny(text, "*?["):
			if glob(text, word) {
				return yes
			}
		case text == word:
			return yes
		}
	}
	return no
}

// glob matches a pattern of * and literal text; others it takes for no match.
func glob(pattern, word string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == word
	}
	if !strings.HasPrefix(word, parts[0]) {
		return false
	}
	word = word[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(word, part)
		if i < 0 {
			return false
		}
		word = word[i+len(part):]
	}
	return strings.HasSuffix(word, parts[len(parts)-1])
}

// call follows one simple command.
func (r *reader) call(c *syntax.CallExpr, w way, depth int) []way {
	w.variables = maps.Clone(w.variables)
	if len(c.Args) == 0 {
		r.assign(&w, c.Assigns)
		return []way{w}
	}
	words, known := r.words(c.Args, &w)
	if len(words) == 0 {
		return []way{w.cannotTell()}
	}
	if body := r.functions[words[0]]; body != nil {
		return r.function(body, words[1:], known, w, depth)
	}
	switch words[0] {
	case "exec":
		return r.exec(words[1:], known, w)
	case "exit":
		return nil
	case "return":
		r.leave(words[1:], w)
		return nil
	case "set", "shift":
		r.parameters(words, known, &w)
	case ".", "source", "eval": // which may do anything to the script
		w = w.cannotTell()
		w.variables = map[string]string{}
	case "read", "unset", "export", "local", "readonly", "wait", "trap", "cd", "umask", "ulimit", ":", "true", "false", "echo", "printf", "test", "[":
		if words[0] == "read" || words[0] == "unset" {
			w.variables = map[string]string{}
		}
		if words[0] != "wait" { // which waits for what may be the server
			w = w.beyond()
		}
	default:
		w = w.cannotTell()
		if known {
			w.last, w.lost = words, false
		}
	}
	return []way{w}
}

// leave notes that a way leaves the function that is followed.
func (r *reader) leave(status []string, w way) {
	is := maybe
	if len(status) == 1 {
		is = truthOf(status[0] == "0")
	}
	r.returned = append(r.returned, returned{w, is})
}

// function follows a function, which has parameters of its own.
func (r *reader) function(body *syntax.Stmt, args []string, known bool, w way, depth int) []way {
	var ways []way
	for _, left := range r.run(body, args, known, w, depth) {
		ways = append(ways, left.way)
	}
	return rejoin(ways)
}

// run follows a function, and returns the ways that leave it. What it returns by
// coming to its end is not looked at.
func (r *reader) run(body *syntax.Stmt, args []string, known bool, w way, depth int) []returned {
	before := r.returned
	r.returned = nil
	inside := w.when("")
	inside.args, inside.known = args, known
	ways := r.statement(body, inside, depth+1)
	out := r.returned
	r.returned = before
	for _, way := range ways {
		out = append(out, returned{way, maybe})
	}
	for i := range out {
		out[i].args, out[i].known = w.args, w.known
	}
	return out
}

// exec ends the way, unless it only redirects.
func (r *reader) exec(args []string, known bool, w way) []way {
	if known {
		for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
			if args[0] == "-a" && len(args) > 1 {
				args = args[1:]
			}
			args = args[1:]
		}
	}
	if len(args) == 0 && known {
		return []way{w}
	}
	if !known {
		args = nil
	}
	r.end(w, args)
	return nil
}

// parameters follows set and shift.
func (r *reader) parameters(words []string, known bool, w *way) {
	if words[0] == "shift" {
		n := 1
		if len(words) > 1 {
			n, _ = strconv.Atoi(words[1])
		}
		if !w.known || n < 0 || n > len(w.args) {
			return
		}
		w.args = w.args[n:]
		return
	}
	for i := 0; i < len(words)-1; i++ {
		word := words[1+i]
		if strings.HasSuffix(word, "o") && len(word) > 1 && (word[0] == '-' || word[0] == '+') {
			i++ // the name of an option of the shell
			continue
		}
		if word == "--" || word != "" && word[0] != '-' && word[0] != '+' {
			w.args, w.known = words[1+i:], known
			if word == "--" {
				w.args = w.args[1:]
			}
			return
		}
	}
}

// assign follows assignments.
func (r *reader) assign(w *way, list []*syntax.Assign) {
	w.variables = maps.Clone(w.variables)
	for _, a := range list {
		if a.Name == nil {
			continue
		}
		value, known := "", false
		if a.Value != nil && !a.Append && a.Index == nil {
			value, known = r.one(a.Value, w) // which may use the variable itself
		}
		if delete(w.variables, a.Name.Value); known {
			w.variables[a.Name.Value] = value
		}
	}
}
