package dockerfile

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// fields is what the shell makes of a word of a command: an unquoted expansion that is empty vanishes, one with blanks becomes
// several words.
func (e *evaluator) fields(w *syntax.Word) []word {
	v := e.word(w)
	if len(w.Parts) != 1 || v.Dyn {
		return []word{v}
	}
	if _, bare := w.Parts[0].(*syntax.ParamExp); !bare {
		return []word{v}
	}
	var out []word
	for _, f := range strings.Fields(v.Text) {
		out = append(out, word{Text: f, Given: v.Given})
	}
	return out
}

func (e *evaluator) word(w *syntax.Word) word {
	var b strings.Builder
	out := word{}
	e.parts(w.Parts, &b, &out, false)
	out.Text = b.String()
	return out
}

func (e *evaluator) parts(parts []syntax.WordPart, b *strings.Builder, out *word, quoted bool) {
	add := func(v word) {
		b.WriteString(v.Text)
		out.Dyn = out.Dyn || v.Dyn
		out.Splits = out.Splits || v.Splits && !quoted
		out.Given = out.Given || v.Given
	}
	lost := word{Text: "\x00", Dyn: true, Splits: true}
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(unescape(p.Value, quoted))
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			e.parts(p.Parts, b, out, true)
		case *syntax.ParamExp:
			v, ok := e.param(p)
			if !ok || !quoted && len(parts) > 1 && strings.ContainsAny(v.Text, " \t\n*?[") { // the shell makes several words of it
				v = lost
			}
			add(v)
		case *syntax.ArithmExp:
			e.forgetArithmetic(p)
			add(lost)
		case *syntax.CmdSubst:
			add(e.substitute(p))
		default:
			add(lost)
		}
	}
}

// substitute judges the commands of $(...). Its value is known for the few ways in which a file takes an argument apart.
func (e *evaluator) substitute(n *syntax.CmdSubst) word {
	first := len(e.calls)
	e.read++
	e.perhaps(func() { e.subshell(func() { e.stmts(n.Stmts) }) })
	e.read--
	calls := e.calls[first:]
	if len(calls) == 0 || len(calls) > 2 || calls[0].Args[0].Text != "echo" {
		return word{Text: "\x00", Dyn: true, Splits: true}
	}
	var text []string
	for _, a := range calls[0].Args[1:] {
		if a.Dyn || strings.HasPrefix(a.Text, "-") {
			return word{Text: "\x00", Dyn: true, Splits: true}
		}
		text = append(text, a.Text)
	}
	v := strings.Join(text, " ")
	if len(calls) == 2 {
		var ok bool
		if v, ok = textFilter(v, calls[1]); !ok {
			return word{Text: "\x00", Dyn: true, Splits: true}
		}
	}
	return word{Text: v}
}

// textFilter is what cut and tr make of one line.
func textFilter(s string, c call) (string, bool) {
	var args []string
	for _, a := range c.Args {
		if a.Dyn {
			return "", false
		}
		args = append(args, a.Text)
	}
	switch a := strings.Join(args, " "); {
	case strings.HasPrefix(a, "cut -c") && len(args) <= 3:
		from, ok := strings.CutSuffix(strings.TrimSpace(strings.TrimPrefix(a, "cut -c")), "-")
		n, err := strconv.Atoi(from)
		if !ok || err != nil || n < 1 {
			return "", false
		}
		return s[min(n-1, len(s)):], true
	case strings.HasPrefix(a, "cut -d") && len(args) <= 5:
		return cutField(s, strings.Join(args[1:], ""))
	case len(args) == 3 && args[0] == "tr" && args[1] == "-d" && !strings.ContainsAny(args[2], `-[\`):
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(args[2], r) {
				return -1
			}
			return r
		}, s), true
	}
	return "", false
}

// cutField is cut with the options "-dX-fN" written together.
func cutField(s, options string) (string, bool) {
	rest := strings.TrimPrefix(options, "-d")
	if len(rest) < 4 || !strings.HasPrefix(rest[1:], "-f") {
		return "", false
	}
	n, err := strconv.Atoi(rest[3:])
	if err != nil || n < 1 {
		return "", false
	}
	parts := strings.Split(s, rest[:1])
	switch {
	case len(parts) == 1:
		return s, true
	case n > len(parts):
		return "", true
	}
	return parts[n-1], true
}

// shellNames are variables that the shell or the container runtime sets by itself.
var shellNames = strings.Fields("@ * # ? $ ! - 0 1 2 3 4 5 6 7 8 9 HOME PATH PWD OLDPWD HOSTNAME SHELL USER LOGNAME TERM IFS PPID UID EUID RANDOM SECONDS LINENO " +
	"SHLVL BASH BASH_VERSION OPTIND PS4 _")

// param evaluates $X and the operators with which files take arguments apart.
func (e *evaluator) param(p *syntax.ParamExp) (word, bool) {
	if p.Param == nil || p.Excl || p.Length || p.Width || p.Index != nil || p.Repl != nil || p.Names != 0 {
		return word{}, false
	}
	name := p.Param.Value
	e.names[name] = true
	v, set := e.vars[name]
	if !set && (!e.known || slices.Contains(shellNames, name)) {
		return word{}, false
	}
	switch {
	case p.Slice != nil:
		return substring(v, p.Slice)
	case p.Exp == nil:
		return v, true
	}
	arg := word{}
	if p.Exp.Word != nil {
		arg = e.word(p.Exp.Word)
	}
	null := v.Text == ""
	switch p.Exp.Op {
	case syntax.DefaultUnsetOrNull, syntax.AssignUnsetOrNull:
		if null {
			v = arg
		}
		if p.Exp.Op == syntax.AssignUnsetOrNull {
			e.assign(name, v)
		}
		return v, true
	case syntax.DefaultUnset:
		if !set {
			return arg, true
		}
		return v, true
	case syntax.AlternateUnsetOrNull:
		if null || v.Dyn {
			return word{}, !v.Dyn
		}
		return arg, true
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		return v, true
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		return trim(v, arg, p.Exp.Op)
	}
	return word{}, false
}

func substring(v word, s *syntax.Slice) (word, bool) {
	off, ok := s.Offset.(*syntax.Word)
	if !ok || s.Length != nil || v.Dyn {
		return word{}, false
	}
	n, err := strconv.Atoi(off.Lit())
	if err != nil || n < 0 {
		return word{}, false
	}
	return word{Text: v.Text[min(n, len(v.Text)):]}, true
}

// trim removes a plain text, or everything up to a plain text, from one end.
func trim(v, pattern word, op syntax.ParExpOperator) (word, bool) {
	p := pattern.Text
	if v.Dyn || pattern.Dyn {
		return word{}, false
	}
	front := op == syntax.RemSmallPrefix || op == syntax.RemLargePrefix
	if strings.ContainsAny(strings.Trim(p, "*"), `*?[\`) {
		return word{}, false
	}
	s := v.Text
	switch {
	case !strings.Contains(p, "*") && front:
		return word{Text: strings.TrimPrefix(s, p)}, true
	case !strings.Contains(p, "*"):
		return word{Text: strings.TrimSuffix(s, p)}, true
	case front && strings.HasPrefix(p, "*") && len(p) > 1 && !strings.HasSuffix(p, "*"):
		i := strings.Index(s, p[1:])
		if op == syntax.RemLargePrefix {
			i = strings.LastIndex(s, p[1:])
		}
		if i < 0 {
			return v, true
		}
		return word{Text: s[i+len(p)-1:]}, true
	case !front && strings.HasSuffix(p, "*") && len(p) > 1 && !strings.HasPrefix(p, "*"):
		i := strings.LastIndex(s, p[:len(p)-1])
		if op == syntax.RemLargeSuffix {
			i = strings.Index(s, p[:len(p)-1])
		}
		if i < 0 {
			return v, true
		}
		return word{Text: s[:i]}, true
	}
	return word{}, false
}

// unescape removes the backslashes of a literal, as the shell does.
func unescape(s string, quoted bool) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if quoted && !strings.ContainsRune("$`\"\\\n", rune(s[i+1])) {
				b.WriteByte('\\')
			}
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// truth says whether a test succeeds, where that is known.
func (e *evaluator) truth(s *syntax.Stmt) (holds, known bool) {
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		x, xKnown := e.truth(c.X)
		y, yKnown := e.truth(c.Y)
		switch {
		case c.Op == syntax.AndStmt && (xKnown && !x || yKnown && !y):
			holds, known = false, true
		case c.Op == syntax.OrStmt && (xKnown && x || yKnown && y):
			holds, known = true, true
		case xKnown && yKnown && (c.Op == syntax.AndStmt || c.Op == syntax.OrStmt):
			holds, known = c.Op == syntax.AndStmt, true
		}
	case *syntax.TestClause:
		holds, known = e.testExpr(c.X)
	case *syntax.CallExpr:
		holds, known = e.testCall(c)
	}
	return holds != s.Negated, known
}

// testCall evaluates `[ A = B ]`, `test -n A` and the like.
func (e *evaluator) testCall(c *syntax.CallExpr) (holds, known bool) {
	if len(c.Args) == 0 {
		return false, false
	}
	name := c.Args[0].Lit()
	if name == "true" || name == "false" {
		return name == "true", true
	}
	if name != "[" && name != "test" {
		return false, false
	}
	// The words are evaluated again when the test is emitted, so that nothing in them is noted twice.
	names, calls := maps.Clone(e.names), len(e.calls)
	var args []string
	for _, w := range c.Args[1:] {
		for _, f := range e.fields(w) {
			known = known || f.Dyn
			args = append(args, f.Text)
		}
	}
	e.names, e.calls = names, e.calls[:calls]
	if known {
		return false, false
	}
	if name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			return false, false
		}
		args = args[:len(args)-1]
	}
	switch {
	case len(args) == 1:
		return args[0] != "", true
	case len(args) == 2 && (args[0] == "-n" || args[0] == "-z"):
		return (args[1] != "") == (args[0] == "-n"), true
	case len(args) == 3 && slices.Contains([]string{"=", "==", "!="}, args[1]):
		return (args[0] == args[2]) == (args[1] != "!="), true
	}
	return false, false
}

func (e *evaluator) testExpr(x syntax.TestExpr) (holds, known bool) {
	value := func(n syntax.TestExpr) (word, bool) {
		w, ok := n.(*syntax.Word)
		if !ok {
			return word{}, false
		}
		names, calls := maps.Clone(e.names), len(e.calls)
		v := e.word(w)
		e.names, e.calls = names, e.calls[:calls]
		return v, !v.Dyn
	}
	switch x := x.(type) {
	case *syntax.ParenTest:
		return e.testExpr(x.X)
	case *syntax.Word:
		v, ok := value(x)
		return v.Text != "", ok
	case *syntax.UnaryTest:
		v, ok := value(x.X)
		switch x.Op {
		case syntax.TsEmpStr:
			return v.Text == "", ok
		case syntax.TsNempStr:
			return v.Text != "", ok
		}
	case *syntax.BinaryTest:
		a, okA := value(x.X)
		b, okB := value(x.Y)
		if !okA || !okB {
			return false, false
		}
		hit, sure := matchPattern(b, a.Text)
		switch x.Op {
		case syntax.TsMatch, syntax.TsMatchShort:
			return hit, sure
		case syntax.TsNoMatch:
			return !hit, sure
		}
	}
	return false, false
}
