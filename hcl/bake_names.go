package hcl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/xbuild/xbuild/schema/diag"
)

// bakeName is a name of the root scope: a variable, a top-level attribute, or both, in which case the attribute's
// expression counts and the variable makes it overridable.
type bakeName struct {
	variable *bakeVariable
	global   *hhcl.Attribute
	at       diag.Range
	file     *File

	state nodeState
	ok    bool
}

func (l *bakeLoader) name(s string) *bakeName {
	n := l.names[s]
	if n == nil {
		n = &bakeName{}
		l.names[s] = n
	}
	return n
}

// bakeVariable is a variable block.
type bakeVariable struct {
	name        string
	description string
	label       diag.Range
	at          diag.Range
	file        *File
	typ         cty.Type // cty.DynamicPseudoType if there is no type
	typed       bool
	def         *hhcl.Attribute
	checks      []*hhcl.BodyContent
	source      string // "default", "environment" or "--var"
}

var variableSchema = &hhcl.BodySchema{
	Attributes: []hhcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"}},
	Blocks:     []hhcl.BlockHeaderSchema{{Type: "validation"}},
}

var validationSchema = &hhcl.BodySchema{Attributes: []hhcl.AttributeSchema{{Name: "condition"}, {Name: "error_message"}}}

// addVariable reads a variable block. A later one of the same name replaces an earlier one whole.
func (l *bakeLoader) addVariable(f *File, b *hhcl.Block) {
	name := b.Labels[0]
	content, _, ds := b.Body.PartialContent(variableSchema)
	l.report(ds, f.rng(b.DefRange))
	if l.bakeReserved(name) {
		return
	}
	v := &bakeVariable{name: name, label: f.rng(b.LabelRanges[0]), at: f.rng(b.DefRange), file: f, typ: cty.DynamicPseudoType}
	if a := content.Attributes["description"]; a != nil {
		s, ds := a.Expr.Value(nil)
		if !l.report(ds, f.rng(a.Expr.Range())) {
			if t, ok := primitive(s); ok {
				v.description = t
			} else {
				l.errorf(codeWrongType, f.rng(a.Expr.Range()), "Wrong type", "", "The description of a variable must be a string.")
			}
		}
	}
	v.def = content.Attributes["default"]
	if a := content.Attributes["type"]; a != nil {
		if s, ds := a.Expr.Value(nil); ds.HasErrors() || !s.IsNull() {
			t, ds := typeexpr.TypeConstraint(a.Expr)
			if !l.report(ds, f.rng(a.Expr.Range())) {
				v.typ = t
				v.typed = t != cty.DynamicPseudoType || hhcl.ExprAsKeyword(a.Expr) == "any"
			}
		}
	}
	for _, c := range content.Blocks {
		check, ds := c.Body.Content(validationSchema)
		l.report(ds, f.rng(c.DefRange))
		v.checks = append(v.checks, check)
	}
	n := l.name(name)
	if old := n.variable; old != nil {
		l.variables = slices.DeleteFunc(l.variables, func(x *bakeVariable) bool { return x == old })
	}
	n.variable = v
	if n.global == nil {
		n.at, n.file = v.label, f
	}
	l.variables = append(l.variables, v)
}

// resolveName computes a name of the root scope. known is false if there is none of that name; ok is false after a
// problem, which is then reported.
func (l *bakeLoader) resolveName(name string, at diag.Range) (known, ok bool) {
	if _, done := l.root.Variables[name]; done {
		return true, true
	}
	n := l.names[name]
	if n == nil {
		return false, true
	}
	switch n.state {
	case done:
		return true, n.ok
	case busy:
		l.circle("name "+name, at)
		return true, false
	}
	label := fmt.Sprintf("variable %q", name)
	if n.global != nil {
		label = fmt.Sprintf("attribute %q", name)
	}
	l.push("name "+name, label, at)
	n.state = busy
	v, ok := l.nameValue(name, n)
	n.state, n.ok = done, ok
	l.pop()
	if ok {
		l.root.Variables[name] = v
	}
	return true, ok
}

// nameValue evaluates a variable or a global, with its override.
func (l *bakeLoader) nameValue(name string, n *bakeName) (cty.Value, bool) {
	def, typ, typed := n.global, cty.DynamicPseudoType, false
	where := n.at
	if v := n.variable; v != nil && def == nil {
		def, typ, typed = v.def, v.typ, v.typed
	}
	o := l.overrideOf(name, false)
	val := cty.NilVal
	switch {
	case def == nil && !o.given && typed:
		l.setSource(n, "default")
		return cty.NullVal(typ), true
	case def == nil && !o.given:
		l.setSource(n, "default")
		return cty.StringVal(""), true
	case def != nil:
		where = l.rng(def.Expr.Range())
		v, ok := l.eval(def.Expr, nil)
		if !ok {
			return v, false
		}
		c, err := convert.Convert(v, typ)
		if err != nil {
			l.errorf(codeWrongType, where, "Wrong type", "", "The default of variable %q must be %s: %v.", name, article(typ.FriendlyName()), err)
			return v, false
		}
		val = c
	}
	o = l.overrideOf(name, typed)
	if !o.given || n.variable == nil {
		l.setSource(n, "default")
		return val, true
	}
	l.setSource(n, o.source)
	v, err := o.value(name, val, typ, typed)
	if err != nil {
		l.add(diag.Diagnostic{Code: codeBadVariable, Subject: &where, Summary: "Bad value for a variable",
			Detail: fmt.Sprintf("The variable %q has the value %q from %s: %v.", name, o.text, o.where(name), err)})
		return cty.DynamicVal, false
	}
	return v, true
}

func (l *bakeLoader) setSource(n *bakeName, source string) {
	if n.variable != nil {
		n.variable.source = source
	}
}

// overrideOf finds what --var or the environment says of a variable: NAME, else NAME_JSON, or the other way round for
// typed variables. NAME_JSON does not count if the file has a variable of that name.
func (l *bakeLoader) overrideOf(name string, preferJSON bool) textOverride {
	o := l.lookup(name)
	if o.given && !preferJSON {
		return o
	}
	jsonName := name + "_JSON"
	if n := l.names[jsonName]; (n == nil || n.variable == nil) && !l.bakeReserved(jsonName) {
		if j := l.lookup(jsonName); j.given {
			j.json = true
			return j
		}
	}
	return o
}

func (l *bakeLoader) lookup(name string) textOverride {
	if s, ok := l.env.Vars[name]; ok {
		return textOverride{text: s, given: true, source: "--var"}
	}
	if l.env.on("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP") {
		return textOverride{}
	}
	if s, ok := l.env.Getenv(name); ok {
		return textOverride{text: s, given: true, source: "environment"}
	}
	return textOverride{}
}

// validate checks the values of all variables. Only names that a variable needed are visible, as in Bake.
func (l *bakeLoader) validate() {
	for _, v := range l.variables {
		for _, c := range v.checks {
			l.validateOne(c)
		}
	}
}

func (l *bakeLoader) validateOne(c *hhcl.BodyContent) {
	cond, msg := c.Attributes["condition"], c.Attributes["error_message"]
	if cond == nil {
		at := l.rng(c.MissingItemRange)
		l.errorf(codeMissingAttribute, at, "Missing attribute", "", `A validation block needs the attribute "condition".`)
		return
	}
	at := l.rng(cond.Expr.Range())
	v, ds := evaluate(cond.Expr, l.root)
	if l.report(ds, at) {
		return
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil || b.IsNull() || !b.IsKnown() {
		l.errorf(codeWrongType, at, "Wrong type", "", "A condition must be true or false, but this is %s.", typeName(v.Type()))
		return
	}
	if b.True() {
		return
	}
	text := "This check failed, but has an invalid error message."
	if msg != nil {
		m, ds := evaluate(msg.Expr, l.root)
		if l.report(ds, l.rng(msg.Expr.Range())) {
			return
		}
		if s, ok := primitive(m); ok {
			text = s
		}
	}
	l.errorf(codeValidation, at, "Validation failed", "", "%s", text)
}

// bakeFunc is a function block.
type bakeFunc struct {
	name                     string
	params, variadic, result *hhcl.Attribute
	at                       diag.Range
	file                     *File
	state                    nodeState
	ok                       bool
}

var functionSchema = &hhcl.BodySchema{Attributes: []hhcl.AttributeSchema{{Name: "params"}, {Name: "variadic_params"}, {Name: "result"}}}

// addFunction reads a function block. A function of the language wins over one of the file.
func (l *bakeLoader) addFunction(f *File, b *hhcl.Block) {
	content, ds := b.Body.Content(functionSchema)
	l.report(ds, f.rng(b.DefRange))
	name := b.Labels[0]
	if l.bakeReserved(name) {
		return
	}
	if l.funcs[name] == nil {
		l.order = append(l.order, name)
	}
	l.funcs[name] = &bakeFunc{name: name, params: content.Attributes["params"], variadic: content.Attributes["variadic_params"],
		result: content.Attributes["result"], at: f.rng(b.LabelRanges[0]), file: f}
}

// compile makes a function of the file callable. known is false if there is none of that name.
func (l *bakeLoader) compile(name string, at diag.Range) (known, ok bool) {
	if _, done := l.root.Functions[name]; done {
		return true, true
	}
	f := l.funcs[name]
	if f == nil {
		return false, true
	}
	switch f.state {
	case done:
		return true, f.ok
	case busy:
		l.circle("function "+name, at)
		return true, false
	}
	l.push("function "+name, fmt.Sprintf("function %q", name), at)
	f.state = busy
	fn, ok := l.makeFunc(f)
	f.state, f.ok = done, ok
	l.pop()
	if ok {
		l.root.Functions[name] = fn
	}
	return true, ok
}

func (l *bakeLoader) makeFunc(f *bakeFunc) (function.Function, bool) {
	fail := func(at diag.Range, detail string, args ...any) (function.Function, bool) {
		l.errorf(codeBadFunction, at, "Bad function", "", detail, args...)
		return function.Function{}, false
	}
	if f.params == nil {
		return fail(f.at, "The function %q has no params; write params = [] if it takes none.", f.name)
	}
	exprs, ds := hhcl.ExprList(f.params.Expr)
	if l.report(ds, f.at) {
		return function.Function{}, false
	}
	spec := &function.Spec{}
	own := map[string]bool{}
	param := func(e hhcl.Expression) (function.Parameter, bool) {
		word := hhcl.ExprAsKeyword(e)
		if word == "" {
			fail(l.rng(e.Range()), "A parameter of a function must be a plain name.")
		}
		own[word] = true
		return function.Parameter{Name: word, Type: cty.DynamicPseudoType}, word != ""
	}
	for _, e := range exprs {
		p, ok := param(e)
		if !ok {
			return function.Function{}, false
		}
		spec.Params = append(spec.Params, p)
	}
	if f.variadic != nil {
		p, ok := param(f.variadic.Expr)
		if !ok {
			return function.Function{}, false
		}
		spec.VarParam = &p
	}
	if f.result == nil {
		return fail(l.rng(f.params.Range), "The function %q has no result.", f.name)
	}
	if !l.needs(f.result.Expr, f.result.Expr.Variables(), nil, own, true) {
		return function.Function{}, false
	}
	call := func(args []cty.Value) (cty.Value, error) { return l.callFunc(f, spec, args) }
	spec.Type = function.StaticReturnType(cty.DynamicPseudoType) // what it really is takes a call to know
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) { return call(args) }
	return bounded(f.name, function.New(spec), madeOf(l.functions)), true
}

// callFunc computes one call of a function of the file.
func (l *bakeLoader) callFunc(f *bakeFunc, spec *function.Spec, args []cty.Value) (cty.Value, error) {
	ctx := l.root.NewChild()
	ctx.Variables = map[string]cty.Value{}
	for i, p := range spec.Params {
		ctx.Variables[p.Name] = args[i]
	}
	if spec.VarParam != nil {
		ctx.Variables[spec.VarParam.Name] = cty.TupleVal(args[len(spec.Params):])
	}
	v, ds := evaluate(f.result.Expr, ctx)
	if ds.HasErrors() {
		return cty.DynamicVal, ds
	}
	return v, nil
}

func (l *bakeLoader) push(key, label string, at diag.Range) {
	l.stack = append(l.stack, frame{key, label, at})
}
func (l *bakeLoader) pop() { l.stack = l.stack[:len(l.stack)-1] }

// circle spells out the circle that the reference at closes by needing key again.
func (l *bakeLoader) circle(key string, at diag.Range) {
	i := slices.IndexFunc(l.stack, func(f frame) bool { return f.key == key })
	circle := l.stack[i:]
	d := diag.Diagnostic{Code: codeVariableCycle, Summary: "Values in a circle", Advice: "Break the circle at one of these places."}
	var words []string
	for j, f := range circle {
		next, ref := circle[0].label, at
		if j+1 < len(circle) {
			next, ref = circle[j+1].label, circle[j+1].at
		}
		if strings.HasPrefix(f.key, "block ") {
			d.Code = codeReferenceCycle
		}
		words = append(words, f.label+" needs "+next)
		if j == 0 {
			d.Subject = &ref
		} else {
			d.Related = append(d.Related, diag.Related{Range: ref, Message: words[j] + " here"})
		}
	}
	d.Detail = upperFirst(strings.Join(words, ", ")) + "."
	l.add(d)
}

// jsonStrings is every string in a JSON text.
func jsonStrings(text []byte) []string {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				out = append(out, k)
				walk(e)
			}
		}
	}
	walk(v)
	return out
}

func article(s string) string {
	if s != "" && strings.ContainsRune("aeiou", rune(s[0])) {
		return "an " + s
	}
	return "a " + s
}
