package hcl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
		l.errorf(codeBadVariable, at, "Unknown variable on the command line", oneOf(name, declared), "%s", detail)
	}
}

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
	text := &File{Name: name, Bytes: l.sources[name], lines: lineStarts(l.sources[name])}
	return diag.Range{Filename: name, Start: text.posAt(start), End: text.posAt(end)}
}

// variableNode is the value of a variable block: --var, else the environment, else the default.
func (l *loader) variableNode(b *block) *node {
	n := &node{label: fmt.Sprintf("variable %q", b.name), decl: b.label}
	n.eval = func() (cty.Value, bool) {
		def, at := cty.StringVal(""), b.label
		if a := b.attrs["default"]; a != nil {
			// A broken default is an error even where something overrides it: it would surface on another machine.
			v, ok := l.eval(a.expr, place{file: a.file, what: a.describe()})
			if !ok {
				return v, false
			}
			def, at = v, a.file.rng(a.expr.Range())
		}
		n.variable = &schema.Variable{Name: b.name, Description: l.text(b, "description"), Source: "default", Range: b.at}
		v, ok := l.override(n, def, at)
		if !ok {
			return v, false
		}
		n.variable.Value = display(v)
		return v, true
	}
	return n
}

// override replaces the default of a variable by what --var or the environment says, in the default's type.
func (l *loader) override(n *node, def cty.Value, at diag.Range) (cty.Value, bool) {
	name := n.variable.Name
	raw, given := l.env.Vars[name]
	n.variable.Source = "--var"
	where, subject := "--var", at
	if given {
		_, subject = l.varRange(name)
	} else if raw, given = l.env.Getenv(name); given {
		n.variable.Source = "environment"
		where = "the environment variable " + name
	} else {
		n.variable.Source = "default"
		return def, true
	}
	v, want := fromText(raw, def)
	if want == "" {
		return v, true
	}
	d := diag.Diagnostic{Code: codeBadVariable, Subject: &subject, Summary: "Bad value for a variable",
		Detail: fmt.Sprintf("The variable %q has the value %q from %s, but its default makes it %s.", name, raw, where, want)}
	if subject != at {
		d.Related = []diag.Related{{Range: at, Message: "the default"}}
	}
	l.add(d)
	return cty.DynamicVal, false
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
				l.resolve(n, b.label)
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
