package hcl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// varText is the name under which the --var arguments stand in the sources.
const varText = "--var"

// checkVars makes the --var arguments quotable and reports those that no variable block declares.
func (l *loader) checkVars() {
	if len(l.env.Vars) == 0 {
		return
	}
	l.sources[varText] = []byte(varSource(l.env.Vars))
	var declared []string
	for _, b := range l.blocks {
		if b.typ.Name == "variable" {
			declared = append(declared, b.name)
			if l.names[b.name+"_JSON"] == nil {
				declared = append(declared, b.name+"_JSON")
			}
		}
	}
	for _, name := range sortedKeys(l.env.Vars) {
		if slices.Contains(declared, name) {
			continue
		}
		at, _ := l.varRange(name)
		detail := fmt.Sprintf("The build file has no variable %q.", name)
		if n := l.names[name]; n != nil {
			detail = fmt.Sprintf("%q is a top-level attribute, not a variable.", name)
		}
		known := slices.DeleteFunc(slices.Clone(declared), func(s string) bool { return strings.HasSuffix(s, "_JSON") && l.names[s] == nil })
		l.errorf(codeBadVariable, at, "Unknown variable on the command line", oneOf(name, known), "%s", detail)
	}
}

// sensitive marks values that are never shown.
const sensitive = "sensitive"

// flag is a bool attribute of a block that is not a target.
func (l *loader) flag(b *block, name string) bool { return l.text(b, name) == "true" }

// varSource is the --var arguments, one a line.
func varSource(vars map[string]string) string {
	var lines []string
	for _, name := range sortedKeys(vars) {
		lines = append(lines, name+"="+vars[name])
	}
	return strings.Join(lines, "\n")
}

// varRange is the range of the name and of the value of one --var argument in its text.
func (l *loader) varRange(name string) (nameAt, valueAt diag.Range) {
	off := 0
	for _, n := range sortedKeys(l.env.Vars) {
		if n == name {
			break
		}
		off += len(n) + len("=") + len(l.env.Vars[n]) + len("\n")
	}
	eq := off + len(name)
	return l.textRange(varText, off, eq), l.textRange(varText, eq+1, eq+1+len(l.env.Vars[name]))
}

// textRange is a range in one of the texts of the sources.
func (l *loader) textRange(name string, start, end int) diag.Range {
	return rangeIn(name, l.sources[name], start, end)
}

// variableNode is the value of a variable block: --var, else the environment, else the default.
func (l *loader) variableNode(b *block) *node {
	n := &node{label: fmt.Sprintf("variable %q", b.name), decl: b.label}
	n.eval = func() (cty.Value, bool) {
		typ, ok := l.variableType(b)
		if !ok {
			return cty.DynamicVal, false
		}
		def, at := cty.StringVal(""), b.label
		if typ != cty.NilType {
			def = cty.NullVal(typ)
		}
		if a := b.attrs["default"]; a != nil {
			// A broken default is an error even where something overrides it: it would surface on another machine.
			v, ok := l.eval(a.expr, place{file: a.file, what: a.describe()})
			if !ok {
				return v, false
			}
			def, at = v, a.file.rng(a.expr.Range())
			if typ != cty.NilType {
				if def, ok = l.ofType(v, typ, fmt.Sprintf("The default of variable %q", b.name), at); !ok {
					return def, false
				}
			}
		}
		n.variable = &schema.Variable{Name: b.name, Description: l.text(b, "description"), Source: "default", Range: b.at}
		if typ != cty.NilType {
			n.variable.Type = typ.FriendlyNameForConstraint()
		}
		n.variable.Sensitive = l.flag(b, "sensitive")
		v, ok := l.override(n, def, typ, at)
		if !ok {
			return v, false
		}
		if n.variable.Null = v.IsNull(); n.variable.Null && n.variable.Source == "default" && b.attrs["default"] == nil {
			l.add(diag.Diagnostic{Severity: diag.Warning, Code: codeNoValue, Subject: &b.label, Summary: "Variable without a value",
				Detail: fmt.Sprintf("Nothing gives %q a value, so it is null.", b.name),
				Advice: fmt.Sprintf("Set it with --var %s=VALUE or in the environment, or write default = null if it may have none.", b.name)})
		}
		if n.variable.Sensitive {
			l.warnShort(b, v)
			return v.Mark(sensitive), true
		}
		n.variable.Value = display(v)
		return v, true
	}
	return n
}

// variableType is the type of a variable block; cty.NilType if it has none.
func (l *loader) variableType(b *block) (cty.Type, bool) {
	a := b.attrs["type"]
	if a == nil {
		return cty.NilType, true
	}
	t, ds := typeexpr.TypeConstraint(a.expr)
	for _, d := range ds {
		l.hcl(a.file, d, codeWrongType, a.file.rng(a.expr.Range()))
	}
	return t, !ds.HasErrors()
}

// ofType converts a value to the type that it must have. what begins a sentence.
func (l *loader) ofType(v cty.Value, typ cty.Type, what string, at diag.Range) (cty.Value, bool) {
	c, err := convert.Convert(v, typ)
	if err != nil {
		l.errorf(codeWrongType, at, "Wrong type", "", "%s must be %s: %v.", what, article(typ.FriendlyName()), err)
		return cty.DynamicVal, false
	}
	return c, true
}

// variableText finds what --var or the environment says of a variable: NAME_JSON, which is read as JSON, or NAME. One of --var
// wins over one of the environment.
func (l *loader) variableText(name string) textOverride {
	jsonName := name + "_JSON"
	if n := l.names[jsonName]; n != nil {
		jsonName = "" // a variable of its own
	}
	for _, source := range []struct {
		name string
		get  func(string) (string, bool)
	}{{"--var", func(s string) (string, bool) { v, ok := l.env.Vars[s]; return v, ok }}, {"environment", l.env.Getenv}} {
		if jsonName != "" {
			if s, ok := source.get(jsonName); ok {
				return textOverride{text: s, given: true, json: true, source: source.name}
			}
		}
		if s, ok := source.get(name); ok {
			return textOverride{text: s, given: true, source: source.name}
		}
	}
	return textOverride{source: "default"}
}

// override replaces the default of a variable by what --var or the environment says, in the variable's type or else in
// that of the default.
func (l *loader) override(n *node, def cty.Value, typ cty.Type, at diag.Range) (cty.Value, bool) {
	name := n.variable.Name
	o := l.variableText(name)
	if n.variable.Source = o.source; !o.given {
		return def, true
	}
	subject, where := at, "--var"
	if o.source == "--var" {
		varName := name
		if o.json {
			varName += "_JSON"
		}
		_, subject = l.varRange(varName)
	} else {
		where = o.where(name)
	}
	v, problem := l.overrideValue(name, o, def, typ)
	if problem == "" {
		return v, true
	}
	d := diag.Diagnostic{Code: codeBadVariable, Subject: &subject, Summary: "Bad value for a variable",
		Detail: fmt.Sprintf("The variable %q has the value %q from %s, but %s.", name, o.text, where, problem)}
	if n.variable.Sensitive {
		d.Detail = fmt.Sprintf("The sensitive variable %q has a value of another type from %s.", name, where)
		d.Subject, subject = &at, at // a quotation would show it
	}
	if subject != at {
		d.Related = []diag.Related{{Range: at, Message: "the default"}}
	}
	l.add(d)
	return cty.DynamicVal, false
}

// overrideValue reads what overrides a variable. problem says why it cannot be read.
func (l *loader) overrideValue(name string, o textOverride, def cty.Value, typ cty.Type) (v cty.Value, problem string) {
	switch {
	case typ != cty.NilType:
		v, err := o.value(name, def, typ, true)
		if err != nil {
			return v, err.Error()
		}
		return v, ""
	case o.json:
		t, err := ctyjson.ImpliedType([]byte(o.text))
		if err == nil {
			v, err = ctyjson.Unmarshal([]byte(o.text), t)
		}
		if err != nil {
			return cty.DynamicVal, fmt.Sprintf("it is not JSON: %v", err)
		}
		return v, ""
	}
	v, want := fromText(o.text, def)
	if want != "" {
		return v, "its default makes it " + want
	}
	return v, ""
}

// validate checks the conditions of a variable whose value is known.
func (l *loader) validate(b *block) {
	for _, in := range b.inner {
		cond := in.attrs["condition"]
		if cond == nil {
			continue
		}
		at := cond.file.rng(cond.expr.Range())
		v, ok := l.eval(cond.expr, place{file: cond.file, what: cond.describe()})
		if !ok {
			continue
		}
		v, _ = v.UnmarkDeep()
		c, err := convert.Convert(v, cty.Bool)
		if err != nil || c.IsNull() || !c.IsKnown() {
			l.errorf(codeWrongType, at, "Wrong type", "", "A condition must be true or false, but this is %s.", typeName(v.Type()))
			continue
		}
		if c.True() {
			continue
		}
		text := fmt.Sprintf("The value of the variable %q does not satisfy this condition.", b.name)
		if msg := in.attrs["error_message"]; msg != nil {
			m, ok := l.eval(msg.expr, place{file: msg.file, what: msg.describe()})
			if !ok {
				continue
			}
			if m.ContainsMarked() {
				text += " Its error_message would show a sensitive value."
			} else if s, ok := primitive(m); ok {
				text = s
			}
		}
		d := diag.Diagnostic{Code: codeValidation, Subject: &at, Summary: "Validation failed", Detail: text}
		if n := l.names[b.name]; n.variable != nil && n.variable.Source == "--var" {
			if _, given := l.env.Vars[b.name]; given && !n.variable.Sensitive {
				_, from := l.varRange(b.name)
				d.Related = []diag.Related{{Range: from, Message: "the value comes from here"}}
			}
		}
		l.add(d)
	}
}

// fromText reads raw in the type of def. If it cannot, want says what was wanted.
func fromText(raw string, def cty.Value) (v cty.Value, want string) {
	switch {
	case def.IsNull(), def.Type() == cty.String:
		return cty.StringVal(raw), ""
	case def.Type() == cty.Bool:
		b, err := strconv.ParseBool(raw)
		if err != nil {
			return def, "true or false"
		}
		return cty.BoolVal(b), ""
	case def.Type() == cty.Number:
		n, err := cty.ParseNumberVal(raw)
		if err != nil {
			return def, "a number"
		}
		return n, ""
	}
	return def, typeName(def.Type()) + ", which text cannot replace"
}

// display is a value as text, for people.
func display(v cty.Value) string {
	if v.IsNull() {
		return ""
	}
	if s, err := convert.Convert(v, cty.String); err == nil && s.IsKnown() && !s.IsNull() {
		return s.AsString()
	}
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return ""
	}
	return string(b)
}

// globalNode is the value of a bare top-level attribute.
func (l *loader) globalNode(g *attribute) *node {
	return &node{label: fmt.Sprintf("attribute %q", g.name), decl: g.nameAt, eval: func() (cty.Value, bool) {
		return l.eval(g.expr, place{file: g.file, what: g.describe()})
	}}
}

// setNode is the value of a platforms block: a list of strings in normal form.
func (l *loader) setNode(b *block) *node {
	return &node{label: "platforms." + b.name, decl: b.label, eval: func() (cty.Value, bool) {
		a := b.attrs["list"]
		if a == nil {
			return cty.DynamicVal, false
		}
		v, ok := l.attributeValue(a, nil)
		if !ok {
			return cty.DynamicVal, false
		}
		ps, ok := l.platforms(v)
		if !ok {
			return cty.DynamicVal, false
		}
		var out []string
		for _, p := range ps {
			out = append(out, p.String())
		}
		return stringList(out), true
	}}
}

func stringList(list []string) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = cty.StringVal(s)
	}
	return cty.ListVal(out)
}

// evalNames evaluates every variable, global and platform set in source order, and checks their descriptions.
func (l *loader) evalNames() {
	for _, b := range l.blocks {
		switch b.typ.Name {
		case "variable":
			if n := l.names[b.name]; n != nil {
				if _, ok := l.resolve(n, b.label); ok {
					l.validate(b)
				}
			}
		case "platforms":
			if n := l.sets[b.name]; n != nil {
				l.resolve(n, b.label)
			}
			l.text(b, "description")
		}
	}
	for _, g := range l.globals {
		l.resolve(l.names[g.name], g.nameAt)
	}
}

// variables lists the variables for display, in source order.
func (l *loader) variables() []schema.Variable {
	var out []schema.Variable
	listed := map[string]bool{}
	for _, b := range l.blocks {
		n := l.names[b.name]
		if b.typ.Name != "variable" || n == nil || n.variable == nil || listed[b.name] {
			continue
		}
		listed[b.name] = true
		out = append(out, *n.variable)
	}
	return out
}
