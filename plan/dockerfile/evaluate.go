package dockerfile

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// evaluator knows the variables and the working folder while it goes through a script from top to bottom, as a shell does in
// which every plain command succeeds.
type evaluator struct {
	vars     map[string]word
	exported map[string]bool
	names    map[string]bool // see script.Names
	dir      word
	known    bool
	// exportAll is the shell's -a.
	exportAll bool
	// maybe counts the constructs around the current command that may run it not at all, or more than once.
	maybe int
	// read counts the constructs around it that read what it prints.
	read   int
	calls  []call
	opaque string
}

func (e *evaluator) result() script {
	return script{Calls: e.calls, Opaque: e.opaque, Names: e.names}
}

func (e *evaluator) emit(c call) {
	env := map[string]word{}
	for k, v := range e.vars {
		if e.exported[k] {
			env[k] = v
		}
	}
	maps.Copy(env, c.Env)
	c.Env, c.Dir, c.Read = env, e.dir, c.Read || e.read > 0
	e.calls = append(e.calls, c)
}

func (e *evaluator) stmts(list []*syntax.Stmt) {
	for _, s := range list {
		e.stmt(s)
	}
}

func (e *evaluator) stmt(s *syntax.Stmt) {
	if s.Background {
		e.subshell(func() { e.command(s) })
		return
	}
	e.command(s)
}

// subshell runs f without letting its variables and folder out.
func (e *evaluator) subshell(f func()) {
	vars, exported, dir, all := maps.Clone(e.vars), maps.Clone(e.exported), e.dir, e.exportAll
	f()
	e.vars, e.exported, e.dir, e.exportAll = vars, exported, dir, all
}

// perhaps runs f, which may not happen.
func (e *evaluator) perhaps(f func()) {
	e.maybe++
	f()
	e.maybe--
}

func (e *evaluator) command(s *syntax.Stmt) {
	if c, ok := s.Cmd.(*syntax.CallExpr); ok {
		e.call(c, s.Redirs)
		return
	}
	var writes []word
	for _, r := range s.Redirs {
		writes = append(writes, e.redirect(r)...)
	}
	if len(writes) > 0 { // the inner commands write there; a line without command makes the file
		e.emit(call{Args: []word{{Text: ":"}}, Writes: writes, Read: true})
		e.read++
		defer func() { e.read-- }()
	}
	switch c := s.Cmd.(type) {
	case nil:
	case *syntax.Block:
		e.stmts(c.Stmts)
	case *syntax.Subshell:
		e.subshell(func() { e.stmts(c.Stmts) })
	case *syntax.BinaryCmd:
		e.binary(c)
	case *syntax.IfClause:
		e.branch(c)
	case *syntax.CaseClause:
		e.choose(c)
	case *syntax.WhileClause:
		e.forget(c)
		e.perhaps(func() { e.stmts(c.Cond); e.stmts(c.Do) })
	case *syntax.ForClause:
		e.loop(c)
	case *syntax.DeclClause:
		e.declare(c)
	case *syntax.TestClause:
		e.test(c)
	case *syntax.TimeClause:
		if c.Stmt != nil {
			e.stmt(c.Stmt)
		}
	case *syntax.ArithmCmd, *syntax.LetClause:
		e.forget(c)
	default:
		e.opaque = "the script uses a construct that is not followed here"
	}
}

func (e *evaluator) binary(c *syntax.BinaryCmd) {
	switch c.Op {
	case syntax.Pipe, syntax.PipeAll:
		e.read++
		e.subshell(func() { e.stmt(c.X) })
		e.read--
		e.subshell(func() { e.stmt(c.Y) })
		return
	}
	holds, known := e.truth(c.X)
	e.stmt(c.X)
	and := c.Op == syntax.AndStmt
	switch {
	case known && holds == and:
		e.stmt(c.Y)
	case known:
	case and && !isTest(c.X):
		e.stmt(c.Y) // a command that fails ends the build, or leads to the same result on any machine
	default:
		e.perhaps(func() { e.stmt(c.Y) })
	}
}

// isTest reports whether a statement is there for its exit code.
func isTest(s *syntax.Stmt) bool {
	switch c := s.Cmd.(type) {
	case *syntax.TestClause, *syntax.ArithmCmd:
		return true
	case *syntax.BinaryCmd:
		return isTest(c.X) || isTest(c.Y)
	case *syntax.CallExpr:
		return s.Negated || len(c.Args) > 0 && slices.Contains([]string{"[", "test", "grep", "command", "which", "type", "false", "cmp", "diff", "expr"}, c.Args[0].Lit())
	}
	return s.Negated
}

func (e *evaluator) branch(c *syntax.IfClause) {
	if c == nil {
		return
	}
	if len(c.Cond) == 0 { // else
		e.stmts(c.Then)
		return
	}
	holds, known := false, false
	if len(c.Cond) == 1 {
		holds, known = e.truth(c.Cond[0])
	}
	e.stmts(c.Cond)
	switch {
	case known && holds:
		e.stmts(c.Then)
	case known:
		e.branch(c.Else)
	default:
		e.perhaps(func() { e.stmts(c.Then); e.branch(c.Else) })
	}
}

func (e *evaluator) choose(c *syntax.CaseClause) {
	w := e.word(c.Word)
	for _, item := range c.Items {
		matches, known := false, !w.Dyn && item.Op == syntax.Break
		for _, p := range item.Patterns {
			v := e.word(p)
			hit, sure := matchPattern(v, w.Text)
			known = known && sure
			matches = matches || hit
		}
		switch {
		case known && matches:
			e.stmts(item.Stmts)
			return
		case !known: // then any of the later ones, too
			w.Dyn = true
			e.perhaps(func() { e.stmts(item.Stmts) })
		}
	}
}

// matchPattern matches a shell pattern that is a plain text, or a star alone or at one of its ends.
func matchPattern(pattern word, s string) (hit, sure bool) {
	p := pattern.Text
	if pattern.Dyn {
		return false, false
	}
	front, back := strings.HasPrefix(p, "*"), strings.HasSuffix(p, "*")
	middle := strings.TrimSuffix(strings.TrimPrefix(p, "*"), "*")
	switch {
	case strings.ContainsAny(middle, `*?[\`):
		return false, false
	case p == "*":
		return true, true
	case front && back:
		return strings.Contains(s, middle), true
	case front:
		return strings.HasSuffix(s, middle), true
	case back:
		return strings.HasPrefix(s, middle), true
	}
	return p == s, true
}

// loop goes through the items one by one where they are known, and once with an unknown item where not.
func (e *evaluator) loop(c *syntax.ForClause) {
	it, ok := c.Loop.(*syntax.WordIter)
	if !ok || !it.InPos.IsValid() {
		e.forget(c)
		e.perhaps(func() { e.stmts(c.Do) })
		return
	}
	var items []word
	known := true
	for _, w := range it.Items {
		for _, v := range e.fields(w) {
			items = append(items, v)
			known = known && !v.Dyn && !isGlob(w)
		}
	}
	if known && len(items) > 0 && len(items) <= 100 {
		for _, v := range items {
			e.assign(it.Name.Value, v)
			e.stmts(c.Do)
		}
		return
	}
	e.forget(c)
	e.perhaps(func() {
		e.vars[it.Name.Value] = unknown // one word: what the shell split already
		e.stmts(c.Do)
	})
}

// isGlob reports whether the shell replaces the word by names of files.
func isGlob(w *syntax.Word) bool {
	return slices.ContainsFunc(w.Parts, func(p syntax.WordPart) bool {
		l, ok := p.(*syntax.Lit)
		return ok && strings.ContainsAny(l.Value, "*?[{")
	})
}

// forget makes every variable unknown that n may set, since n has run before or not at all.
func (e *evaluator) forget(n syntax.Node) {
	lost := word{Text: "\x00", Dyn: true, Splits: true}
	syntax.Walk(n, func(m syntax.Node) bool {
		switch m := m.(type) {
		case *syntax.Assign:
			if m.Name != nil {
				e.vars[m.Name.Value] = lost
			}
		case *syntax.CallExpr:
			if len(m.Args) > 0 && m.Args[0].Lit() == "cd" {
				e.dir = unknown
			}
		case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.LetClause:
			e.forgetArithmetic(m)
		}
		return true
	})
}

// forgetArithmetic: an arithmetic expression may assign to any name in it.
func (e *evaluator) forgetArithmetic(n syntax.Node) {
	syntax.Walk(n, func(m syntax.Node) bool {
		if w, ok := m.(*syntax.Word); ok && w.Lit() != "" {
			if _, isVar := e.vars[w.Lit()]; isVar {
				e.vars[w.Lit()] = unknown
			}
		}
		return true
	})
}

// test notes what [[ ... ]] looks at.
func (e *evaluator) test(c *syntax.TestClause) {
	one := call{Args: []word{{Text: "[["}}}
	syntax.Walk(c, func(n syntax.Node) bool {
		if w, ok := n.(*syntax.Word); ok {
			one.Args = append(one.Args, e.word(w))
			return false
		}
		return true
	})
	e.emit(one)
}

func (e *evaluator) call(c *syntax.CallExpr, redirs []*syntax.Redirect) {
	one := call{Env: map[string]word{}}
	for _, a := range c.Assigns {
		v := e.assigned(a)
		if len(c.Args) > 0 {
			one.Env[a.Name.Value] = v
		} else {
			e.assign(a.Name.Value, v)
		}
	}
	for _, w := range c.Args {
		one.Args = append(one.Args, e.fields(w)...)
	}
	for _, r := range redirs {
		w := e.redirect(r)
		one.Writes = append(one.Writes, w...)
		one.Read = one.Read || slices.ContainsFunc(w, func(w word) bool { return w.Text != "/dev/null" })
	}
	if len(one.Args) == 0 {
		if len(one.Writes) > 0 {
			one.Args = []word{{Text: ":"}}
			e.emit(one)
		}
		return
	}
	e.emit(one)
	e.builtin(one)
}

// builtin follows the commands that change the shell itself.
func (e *evaluator) builtin(c call) {
	args := c.Args[1:]
	switch c.Args[0].Text {
	case "cd":
		switch {
		case len(args) != 1 || args[0].Dyn || strings.HasPrefix(args[0].Text, "-") || e.maybe > 0 || e.dir.Dyn:
			e.dir = unknown
		default:
			e.dir = word{Text: join(e.dir.Text, args[0].Text)}
		}
	case "set":
		for i, a := range args {
			e.exportAll = e.exportAll || strings.HasPrefix(a.Text, "-") && !strings.HasPrefix(a.Text, "--") && strings.Contains(a.Text, "a") ||
				a.Text == "allexport" && i > 0
		}
	case "unset":
		for _, a := range args {
			e.assign(a.Text, word{})
			if e.maybe == 0 {
				delete(e.vars, a.Text)
			}
		}
	case "printf":
		if len(args) > 1 && args[0].Text == "-v" {
			e.assign(args[1].Text, unknown)
		}
	case "export", "readonly", "declare", "typeset", "local", "alias", "read", "trap":
		e.opaque = "the script uses " + c.Args[0].Text + " in a way that is not followed here"
	}
}

func (e *evaluator) assigned(a *syntax.Assign) word {
	v := word{}
	if a.Value != nil {
		before := maps.Clone(e.names)
		v = e.word(a.Value)
		if a.Name != nil && slices.Contains(goTargetNames, a.Name.Value) {
			e.names = before
		}
	}
	switch {
	case a.Index != nil || a.Array != nil:
		return word{Text: "\x00", Dyn: true, Splits: true}
	case a.Append:
		old := e.vars[a.Name.Value]
		if _, ok := e.vars[a.Name.Value]; !ok && !e.known {
			old = word{Text: "\x00", Dyn: true, Splits: true}
		}
		return word{Text: old.Text + v.Text, Dyn: old.Dyn || v.Dyn, Splits: old.Splits || v.Splits}
	}
	return v
}

func (e *evaluator) assign(name string, v word) {
	if e.maybe > 0 {
		v = word{Text: "\x00", Dyn: true, Splits: true}
	}
	v.Given = false
	e.vars[name] = v
	e.exported[name] = e.exported[name] || e.exportAll
}

// redirect returns the file that a redirection writes.
func (e *evaluator) redirect(r *syntax.Redirect) []word {
	w := word{}
	if r.Word != nil {
		w = e.word(r.Word)
	}
	if r.Hdoc != nil {
		e.word(r.Hdoc) // for the commands in it
	}
	switch r.Op {
	case syntax.RdrOut, syntax.AppOut, syntax.RdrAll, syntax.AppAll, syntax.RdrClob, syntax.RdrInOut:
		return []word{w}
	}
	return nil
}

// declare handles export, readonly, local and declare.
func (e *evaluator) declare(d *syntax.DeclClause) {
	for _, a := range d.Args {
		if a.Name == nil { // an option like -n
			e.opaque = "the script uses " + d.Variant.Value + " in a way that is not followed here"
			return
		}
		if !a.Naked {
			e.assign(a.Name.Value, e.assigned(a))
		}
		if d.Variant.Value == "export" {
			e.exported[a.Name.Value] = true
		}
	}
}
