package dockerfile

import (
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"mvdan.cc/sh/v3/syntax"
)

// Run is one RUN instruction with the values it sees.
type Run struct {
	Line    int // of the instruction
	EndLine int
	Cmd     *instructions.RunCommand
	Env     *vars
	Workdir string
	Mounts  []Mount
}

// Mount is one --mount of a RUN.
type Mount struct {
	Type, From, Target string
	Dep                *Dep // nil unless it reads another stage or image
}

// word is a shell word after evaluation. Dyn marks what cannot be known from the text; the unknown part of Text is a NUL.
type word struct {
	Text string
	Dyn  bool
}

// call is one simple command of a script.
type call struct {
	Args []word
	// Env are assignments before the command, Exported what the script exported earlier.
	Env map[string]word
	// Nested says that the command stands inside $(...).
	Nested bool
	// Writes are the targets of output redirections.
	Writes []word
}

// script is a RUN taken apart. Opaque is the reason why it could not be.
type script struct {
	Calls  []call
	Opaque string
}

// parseScript takes a RUN apart into simple commands, with everything known about words put in. envKnown says that
// env holds all variables, so that an unknown one is empty.
func parseScript(r *Run, shellForm []string, envKnown bool) script {
	c := r.Cmd
	if !c.PrependShell {
		one := call{Env: map[string]word{}}
		for _, a := range c.CmdLine {
			one.Args = append(one.Args, word{Text: a})
		}
		return script{Calls: []call{one}}
	}
	if len(shellForm) > 0 && !posixShell(shellForm) {
		return script{Opaque: "SHELL is set to " + strings.Join(shellForm, " ")}
	}
	src := strings.Join(c.CmdLine, " ")
	if len(c.Files) > 0 {
		if len(c.Files) > 1 || !strings.HasPrefix(strings.TrimSpace(src), "<<") {
			return script{Opaque: "a heredoc is given to another program"}
		}
		src = c.Files[0].Data
		if strings.HasPrefix(src, "#!") {
			first, _, _ := strings.Cut(src, "\n")
			if !posixShell(strings.Fields(strings.TrimPrefix(first, "#!"))) {
				return script{Opaque: "the heredoc is a script for " + strings.TrimPrefix(first, "#!")}
			}
		}
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(src), "")
	if err != nil {
		return script{Opaque: "the shell command cannot be parsed: " + err.Error()}
	}
	e := &evaluator{vars: map[string]word{}, exported: map[string]bool{}, known: envKnown}
	for _, k := range r.Env.keys {
		e.vars[k], e.exported[k] = word{Text: r.Env.val[k]}, true
	}
	return e.script(file)
}

func posixShell(s []string) bool {
	if len(s) == 0 {
		return false
	}
	name := path.Base(s[0])
	if name == "env" && len(s) > 1 {
		name = path.Base(s[1])
	}
	return name == "sh" || name == "bash" || name == "ash" || name == "dash"
}

// evaluator knows the variables while it goes through a script from top to bottom.
type evaluator struct {
	vars     map[string]word
	exported map[string]bool
	known    bool
	nested   int
	out      script
}

func (e *evaluator) script(f *syntax.File) script {
	// A variable that is set inside a loop, a branch or a function has no one value.
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ForClause:
			if it, ok := n.Loop.(*syntax.WordIter); ok {
				e.vars[it.Name.Value] = word{Text: "\x00", Dyn: true}
			}
		case *syntax.FuncDecl:
			e.opaque("the script declares a function")
		case *syntax.ProcSubst, *syntax.CoprocClause:
			e.opaque("the script uses process substitution")
		}
		return true
	})
	if e.out.Opaque == "" {
		e.walk(f, false)
	}
	return e.out
}

func (e *evaluator) opaque(why string) {
	if e.out.Opaque == "" {
		e.out.Opaque = why
	}
}

// walk collects the calls below n in order. conditional says that n may not run, or more than once.
func (e *evaluator) walk(n syntax.Node, conditional bool) {
	syntax.Walk(n, func(m syntax.Node) bool {
		switch m := m.(type) {
		case *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause, *syntax.Subshell:
			if m != n {
				e.walk(m, true)
				return false
			}
		case *syntax.Stmt:
			if c, ok := m.Cmd.(*syntax.CallExpr); ok {
				e.call(c, m.Redirs, conditional)
				return false
			}
			for _, r := range m.Redirs {
				e.redirect(r, nil)
			}
		case *syntax.DeclClause:
			e.declare(m, conditional)
			return false
		case *syntax.CmdSubst:
			e.nest(m)
			return false
		}
		return true
	})
}

func (e *evaluator) nest(n *syntax.CmdSubst) {
	e.nested++
	for _, s := range n.Stmts {
		e.walk(s, true)
	}
	e.nested--
}

func (e *evaluator) call(c *syntax.CallExpr, redirs []*syntax.Redirect, conditional bool) {
	one := call{Env: map[string]word{}, Nested: e.nested > 0}
	for _, a := range c.Assigns {
		v := word{}
		if a.Value != nil {
			v = e.word(a.Value)
		}
		if a.Append || a.Index != nil || a.Array != nil {
			v = word{Text: "\x00", Dyn: true}
		}
		if len(c.Args) > 0 {
			one.Env[a.Name.Value] = v
		} else {
			e.assign(a.Name.Value, v, conditional)
		}
	}
	for _, w := range c.Args {
		// An unquoted expansion that is empty vanishes, one with blanks becomes several words.
		v := e.word(w)
		if unquoted(w) && !v.Dyn {
			for _, f := range strings.Fields(v.Text) {
				one.Args = append(one.Args, word{Text: f})
			}
			continue
		}
		one.Args = append(one.Args, v)
	}
	for _, r := range redirs {
		e.redirect(r, &one)
	}
	if len(one.Args) == 0 {
		return
	}
	for k, v := range e.vars {
		if _, ok := one.Env[k]; !ok && e.exported[k] {
			one.Env[k] = v
		}
	}
	e.out.Calls = append(e.out.Calls, one)
}

func (e *evaluator) assign(name string, v word, conditional bool) {
	if conditional {
		v = word{Text: "\x00", Dyn: true}
	}
	e.vars[name] = v
}

func (e *evaluator) redirect(r *syntax.Redirect, c *call) {
	w := word{}
	if r.Word != nil {
		w = e.word(r.Word)
	}
	switch r.Op {
	case syntax.RdrOut, syntax.AppOut, syntax.RdrAll, syntax.AppAll, syntax.RdrClob, syntax.RdrInOut:
		if c != nil {
			c.Writes = append(c.Writes, w)
		} else {
			e.out.Calls = append(e.out.Calls, call{Args: []word{{Text: ":"}}, Env: map[string]word{}, Writes: []word{w}})
		}
	}
}

// declare handles export, readonly, local and declare.
func (e *evaluator) declare(d *syntax.DeclClause, conditional bool) {
	for _, a := range d.Args {
		if a.Name == nil {
			continue
		}
		if a.Value != nil {
			e.assign(a.Name.Value, e.word(a.Value), conditional)
		}
		if d.Variant.Value == "export" {
			e.exported[a.Name.Value] = true
		}
	}
}

// unquoted reports whether w is a bare variable expansion, which the shell splits into words.
func unquoted(w *syntax.Word) bool {
	if len(w.Parts) != 1 {
		return false
	}
	_, ok := w.Parts[0].(*syntax.ParamExp)
	return ok
}

func (e *evaluator) word(w *syntax.Word) word {
	var b strings.Builder
	out := word{}
	e.parts(w.Parts, &b, &out.Dyn)
	out.Text = b.String()
	return out
}

func (e *evaluator) parts(parts []syntax.WordPart, b *strings.Builder, dyn *bool) {
	unknown := func() { *dyn = true; b.WriteByte(0) }
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(unescape(p.Value))
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			e.parts(p.Parts, b, dyn)
		case *syntax.ParamExp:
			v, ok := e.param(p)
			if !ok {
				unknown()
				continue
			}
			b.WriteString(v.Text)
			*dyn = *dyn || v.Dyn
		case *syntax.CmdSubst:
			e.nest(p)
			unknown()
		default:
			unknown()
		}
	}
}

// param evaluates $X, ${X}, ${X:-default} and ${X-default}.
func (e *evaluator) param(p *syntax.ParamExp) (word, bool) {
	if p.Param == nil || p.Excl || p.Length || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Names != 0 {
		return word{}, false
	}
	v, ok := e.vars[p.Param.Value]
	if !ok && !e.known {
		return word{}, false
	}
	if p.Exp == nil {
		return v, true
	}
	def := word{}
	if p.Exp.Word != nil {
		def = e.word(p.Exp.Word)
	}
	switch p.Exp.Op {
	case syntax.DefaultUnsetOrNull:
		if v.Text == "" {
			return def, true
		}
		return v, true
	case syntax.DefaultUnset:
		if !ok {
			return def, true
		}
		return v, true
	}
	return word{}, false
}

// unescape removes the backslashes of an unquoted literal, as the shell does.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
