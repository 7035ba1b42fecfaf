package hcl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// node is something that an expression can refer to. Its value is computed when it is first needed.
type node struct {
	label string // as a diagnostic names it: variable "A", target.app.args
	kind  nodeKind
	decl  diag.Range
	eval  func() (cty.Value, bool) // reports its own problems; false after a problem

	state   nodeState
	value   cty.Value // if state is done; unknown after a problem
	ok      bool
	entered diag.Range // the reference that started the computation

	variable *schema.Variable // of a variable that has a value
}

type nodeKind int

const (
	kindRoot   nodeKind = iota // a variable, a global or a platform set
	kindTarget                 // an attribute of a target
)

type nodeState int

const (
	fresh nodeState = iota
	busy
	done
)

// resolve gives the value of n, which the reference at asks for. After a problem, which is already reported, the value
// is unknown and the result false.
func (l *loader) resolve(n *node, at diag.Range) (cty.Value, bool) {
	switch n.state {
	case busy:
		l.reportCycle(n, at)
		return cty.DynamicVal, false
	case fresh:
		n.state, n.entered = busy, at
		l.stack = append(l.stack, n)
		n.value, n.ok = n.eval()
		l.stack = l.stack[:len(l.stack)-1]
		n.state = done
		if !n.ok {
			n.value = cty.DynamicVal
		}
	}
	return n.value, n.ok
}

// reportCycle spells out the circle on the stack that the reference at closes.
func (l *loader) reportCycle(n *node, at diag.Range) {
	circle := l.stack[slices.Index(l.stack, n):]
	d := diag.Diagnostic{Code: codeVariableCycle, Summary: "Values in a circle", Advice: "Break the circle at one of these places."}
	var words []string
	for i, m := range circle {
		if m.kind == kindTarget {
			d.Code = codeReferenceCycle
		}
		next, ref := n, at
		if i+1 < len(circle) {
			next = circle[i+1]
			ref = next.entered
		}
		words = append(words, m.label+" needs "+next.label)
		if i == 0 {
			d.Subject = &ref
		} else {
			d.Related = append(d.Related, diag.Related{Range: ref, Message: m.label + " needs " + next.label + " here"})
		}
	}
	d.Detail = upperFirst(strings.Join(words, ", ")) + "."
	l.add(d)
}

func upperFirst(s string) string {
	if s == "" || strings.HasPrefix(s, "target.") || strings.HasPrefix(s, "platforms.") {
		return s // language words keep their spelling
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// place is where an expression stands.
type place struct {
	file *File
	what string // the attribute, as a diagnostic names it
	// platform is the one that the expression is evaluated for; nil where the platform object cannot be read.
	platform *schema.Platform
	// vars are names that are only known here: those of a matrix, or the parameters of a function.
	vars map[string]cty.Value
}

// eval evaluates an expression. Problems are reported; then the result is false.
func (l *loader) eval(e hhcl.Expression, in place) (cty.Value, bool) {
	refs := e.Variables()
	ctx := &hhcl.EvalContext{Variables: map[string]cty.Value{}, Functions: l.functionsFor(in.file)}
	ok := true
	for _, root := range rootsOf(refs) {
		v, good := l.root(root, refs, in)
		ctx.Variables[root] = v
		ok = ok && good
	}
	v, ds := evaluate(e, ctx)
	for _, d := range ds {
		if in.platform != nil && readsRoot(refs, "platform") {
			d = forPlatform(d, *in.platform)
		}
		l.hcl(in.file, d, codeBadExpression, in.file.rng(e.Range()))
	}
	return v, ok && !ds.HasErrors()
}

// forPlatform adds the platform to a problem that may only be there for some.
func forPlatform(d *hhcl.Diagnostic, p schema.Platform) *hhcl.Diagnostic {
	c := *d
	detail, advice := splitAdvice(d.Detail)
	c.Detail = fmt.Sprintf("%s This is for platform %s.", detail, p)
	if advice != "" {
		c.Detail += " " + advice
	}
	return &c
}

// rootsOf is the names that the references begin with, in order, each once.
func rootsOf(refs []hhcl.Traversal) []string {
	var out []string
	for _, tr := range refs {
		if !slices.Contains(out, tr.RootName()) {
			out = append(out, tr.RootName())
		}
	}
	return out
}

func readsRoot(refs []hhcl.Traversal, root string) bool { return slices.Contains(rootsOf(refs), root) }

// root gives the value of one root name, complete enough for the given references.
func (l *loader) root(name string, refs []hhcl.Traversal, in place) (cty.Value, bool) {
	var own []hhcl.Traversal
	for _, tr := range refs {
		if tr.RootName() == name {
			own = append(own, tr)
		}
	}
	first := in.file.rng(own[0].SourceRange())
	if v, ok := in.vars[name]; ok {
		return v, true
	}
	if n := l.names[name]; n != nil {
		v, ok := l.resolve(n, first)
		if !l.notShadowed(n, v, own, in) {
			return cty.DynamicVal, false
		}
		return v, ok
	}
	switch name {
	case "platform":
		if in.platform != nil {
			return platformObject(*in.platform), true
		}
		l.errorf(codePlatformNotHere, first, "The platform cannot be read here",
			"It can be read in these attributes of a target: "+strings.Join(platformAttributes(), ", ")+"; and in env and run_before of a strategy.",
			"%s is not evaluated per platform.", upperFirst(in.what))
		return cty.DynamicVal, false
	case "platforms":
		return l.setsObject(own, in)
	case "target":
		return l.targetsObject(own, in)
	case "git":
		return l.gitObject(own, in)
	case "strategy":
		return l.strategyObject(own, in)
	}
	for _, tr := range own {
		l.errorf(codeUnknownVariable, in.file.rng(tr.SourceRange()), "Unknown name", cmp.Or(insteadOfName(tr), oneOf(name, l.rootNames())),
			"There is no variable and no top-level attribute %q.", name)
	}
	return cty.DynamicVal, false
}

// insteadOfName is what other tools call by a name, in the words of this one; empty if the name is nothing that people expect.
func insteadOfName(tr hhcl.Traversal) string {
	part := "NAME"
	if len(tr) > 1 {
		if a, ok := tr[1].(hhcl.TraverseAttr); ok {
			part = a.Name
		}
	}
	switch tr.RootName() {
	case "env":
		return fmt.Sprintf("Use env(%q, \"default\"), or declare variable %q {}, which the environment sets.", part, part)
	case "local":
		return fmt.Sprintf("Write %s = ... at the top level of the file, and %s to read it.", part, part)
	case "var":
		return fmt.Sprintf("Write %s; variables are read by their name alone.", part)
	case "BAKE_LOCAL_PLATFORM":
		return "Leave platforms out to build for the node's own platform; in an attribute of a target, platform.id is the one that is built for."
	case "BAKE_CMD_CONTEXT":
		return "Paths on the command line are relative to the working directory, those in the file to the file; use a path."
	}
	return ""
}

// notShadowed reports references that mean a built-in name but reach the build file's own value of that name.
func (l *loader) notShadowed(n *node, v cty.Value, refs []hhcl.Traversal, in place) bool {
	name := refs[0].RootName()
	if !slices.Contains(builtins, name) || !v.IsKnown() || v.Type().IsObjectType() || v.Type().IsMapType() {
		return true
	}
	ok := true
	for _, tr := range refs {
		if len(tr) < 2 {
			continue
		}
		if _, attr := tr[1].(hhcl.TraverseAttr); attr {
			at := in.file.rng(tr.SourceRange())
			l.add(diag.Diagnostic{Code: codeShadowed, Subject: &at, Summary: "Built-in name is hidden",
				Detail: fmt.Sprintf("The built-in name %q is shadowed by the %s at %s.", name, n.label, n.decl), Advice: "Rename that one.",
				Related: []diag.Related{{Range: n.decl, Message: "declared here"}}})
			ok = false
		}
	}
	return ok
}

// builtins are the names that every expression can read.
var builtins = []string{"git", "platform", "platforms", "strategy", "target"}

func (l *loader) rootNames() []string { return append(sortedKeys(l.names), builtins...) }

// platformAttributes names the attributes of a target that may read the platform object.
func platformAttributes() []string {
	var out []string
	for _, a := range language.Block("target").Attributes {
		if a.Platform {
			out = append(out, a.Name)
		}
	}
	return out
}

// platformObject is the value of `platform`.
func platformObject(p schema.Platform) cty.Value {
	fields := map[string]cty.Value{}
	for k, v := range map[string]string{"id": p.String(), "os": p.OS, "arch": p.Arch, "variant": p.Variant, "slug": p.Slug(),
		"exe": p.Exe(), "goarm": p.GOARM(), "triple": p.Triple()} {
		fields[k] = cty.StringVal(v)
	}
	return cty.ObjectVal(fields)
}

// setsObject is the value of `platforms` as far as the references need it.
func (l *loader) setsObject(refs []hhcl.Traversal, in place) (cty.Value, bool) {
	fields, ok := map[string]cty.Value{}, true
	for _, tr := range refs {
		names := []string{step(tr, 1)}
		if names[0] == "" { // the whole of it, or a computed index
			names = sortedKeys(l.sets)
		}
		at := in.file.rng(tr.SourceRange())
		for _, name := range names {
			if _, known := fields[name]; known {
				continue
			}
			n := l.sets[name]
			if n == nil {
				l.errorf(codeUnknownPlatforms, at, "Unknown platform set", oneOf(name, sortedKeys(l.sets)),
					"There is no block platforms %q.", name)
				fields[name], ok = cty.DynamicVal, false
				continue
			}
			v, good := l.resolve(n, at)
			fields[name], ok = v, ok && good
		}
	}
	return cty.ObjectVal(fields), ok
}

// step is the i-th part of a reference if it is a fixed name, as in a.b or a["b"]; else empty.
func step(tr hhcl.Traversal, i int) string {
	if i >= len(tr) {
		return ""
	}
	switch s := tr[i].(type) {
	case hhcl.TraverseAttr:
		return s.Name
	case hhcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString()
		}
	}
	return ""
}

// targetsObject is the value of `target` as far as the references need it.
func (l *loader) targetsObject(refs []hhcl.Traversal, in place) (cty.Value, bool) {
	fields, ok := map[string]map[string]cty.Value{}, true
	for _, tr := range refs {
		at := in.file.rng(tr.SourceRange())
		name, attr := step(tr, 1), step(tr, 2)
		if name == "" || attr == "" {
			l.errorf(codeBadReference, at, "Incomplete reference to a target", "Write target.NAME.ATTRIBUTE.",
				"A target as a whole is not a value.")
			ok = false
			if name == "" {
				return cty.DynamicVal, false
			}
		}
		if fields[name] == nil {
			fields[name] = map[string]cty.Value{}
		}
		if _, known := fields[name][attr]; known || attr == "" {
			continue
		}
		v, good := l.targetAttribute(name, attr, at, in)
		fields[name][attr], ok = v, ok && good
	}
	out := map[string]cty.Value{}
	for name, attrs := range fields {
		out[name] = cty.ObjectVal(attrs)
	}
	return cty.ObjectVal(out), ok
}
