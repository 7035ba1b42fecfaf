package hcl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// value is what an attribute says, in the type that the table gives it. Values are never written after they are made:
// merging makes new ones.
type value struct {
	spec *schema.Attribute
	null bool            // null: the attribute is unset, whatever was inherited
	one  item            // of a string or a bool ("true", "false")
	list []item          // of a list
	keys map[string]item // of a map
	at   diag.Range      // the attribute or the --set argument
}

// item is one string in a value, or the object form of one list element.
type item struct {
	text   string
	object map[string]string // of an output, a cache, ... written as an object; else nil
	null   bool              // in a map: the key is removed
	// sensitive says that the text is never shown.
	sensitive bool
	at        diag.Range
	base      string // absolute folder for relative paths; empty means the target's context
}

// attributeValue evaluates an attribute and converts it to its type. It is evaluated for p if it reads the platform,
// and once for all otherwise.
func (l *loader) attributeValue(a *attribute, p *schema.Platform) (*value, bool) {
	if a.readsPlatform {
		return l.newValue(a, p)
	}
	if a.memo == nil {
		v, ok := l.newValue(a, nil)
		a.memo = &evaluated{v, ok}
	}
	return a.memo.value, a.memo.ok
}

func (l *loader) newValue(a *attribute, p *schema.Platform) (*value, bool) {
	raw, ok := l.eval(a.expr, place{file: a.file, what: a.describe(), platform: p, vars: a.vars})
	if !ok || !raw.IsWhollyKnown() {
		return nil, false
	}
	v := &value{spec: a.spec, at: a.at}
	if raw.ContainsMarked() && a.spec.Name != "args" {
		l.errorf(codeSensitive, a.file.rng(a.expr.Range()), "A sensitive value would be shown", "Use args, or better a secret.",
			"%s is made of a sensitive variable, and it is not kept secret.", upperFirst(a.describe()))
		return nil, false
	}
	all := raw.IsMarked()
	raw, _ = raw.Unmark()
	if raw.IsNull() {
		v.null = true
		return v, true
	}
	whole := item{at: a.file.rng(a.expr.Range()), sensitive: all}
	if a.spec.PathBase != schema.PathContext {
		whole.base = a.file.dir()
	}
	c := converter{l: l, a: a, ok: true}
	switch a.spec.Type {
	case schema.TypeString, schema.TypeBool:
		v.one = c.scalar(raw, whole, a.spec.Type)
	case schema.TypeStringMap, schema.TypeResources:
		v.keys = c.entries(raw, whole)
	default:
		v.list = c.elements(raw, whole)
	}
	return v, c.ok
}

// converter turns the value of one attribute into items. Every problem is reported at the element that has it.
type converter struct {
	l  *loader
	a  *attribute
	ok bool
}

func (c *converter) wrongType(at diag.Range, advice, detail string, args ...any) {
	c.ok = false
	c.l.errorf(codeWrongType, at, "Wrong type", advice, detail, args...)
}

// scalar converts a primitive; whole gives its range and base.
func (c *converter) scalar(v cty.Value, whole item, want schema.ValueType) item {
	it, typ := whole, cty.String
	if want == schema.TypeBool {
		typ = cty.Bool
	}
	if v.Type().IsPrimitiveType() {
		if s, err := convert.Convert(v, typ); err == nil {
			s, err = convert.Convert(s, cty.String)
			if err == nil {
				it.text = s.AsString()
				return it
			}
		}
	}
	wanted := "a string"
	if want == schema.TypeBool {
		wanted = "true or false"
	}
	c.wrongType(whole.at, "", "%q must be %s, but this is %s.", c.a.name, wanted, typeName(v.Type()))
	return it
}

// elements converts a list.
func (c *converter) elements(v cty.Value, whole item) []item {
	t := v.Type()
	if !t.IsListType() && !t.IsTupleType() && !t.IsSetType() {
		advice := ""
		if t == cty.String {
			advice = fmt.Sprintf("Write [%q].", v.AsString())
		}
		c.wrongType(whole.at, advice, "%q must be a list, but this is %s.", c.a.name, typeName(t))
		return nil
	}
	// The elements of a list that is written out have their own ranges.
	exprs, ds := hhcl.ExprList(c.a.expr)
	own := !ds.HasErrors() && len(exprs) == v.LengthInt()
	out := []item{}
	for i, e := range v.AsValueSlice() {
		it := whole
		if own {
			it.at = c.a.file.rng(exprs[i].Range())
			c.keysOnce(exprs[i])
		}
		if c.element(e, &it) {
			out = append(out, it)
		}
	}
	return out
}

// element fills one item of a list.
func (c *converter) element(v cty.Value, it *item) bool {
	t := v.Type()
	switch {
	case v.IsNull():
		c.wrongType(it.at, "", "%q cannot hold null.", c.a.name)
		return false
	case c.a.spec.Type != schema.TypeStringList && (t.IsObjectType() || t.IsMapType()):
		it.object = map[string]string{}
		for k, f := range v.AsValueMap() {
			if f.IsNull() {
				continue
			}
			if v, meant := schema.CheckKey(c.a.spec.Type, "", k); c.a.spec.Type == schema.TypeSSHList && v != schema.KeyKnown {
				c.ok = false
				c.l.errorf(codeUnknownKey, it.at, "Unknown key", didYouMean(k, []string{meant}), "An element of ssh has no key %q.", k)
				return false
			}
			s, ok := primitive(f)
			if c.a.spec.Type == schema.TypeSSHList && k == "paths" {
				s, ok = joined(f)
			}
			if !ok {
				want := "a string"
				if k == "paths" {
					want = "a list of strings"
				}
				c.wrongType(it.at, "", "%q: the field %q must be %s, but it is %s.", c.a.name, k, want, typeName(f.Type()))
				return false
			}
			it.object[k] = s
		}
		return true
	}
	s, ok := primitive(v)
	if !ok {
		want := "strings"
		if c.a.spec.Type != schema.TypeStringList {
			want = "strings and objects"
		}
		c.wrongType(it.at, "", "%q must be a list of %s, but this element is %s.", c.a.name, want, typeName(t))
		return false
	}
	it.text = s
	return true
}

// entries converts a map.
func (c *converter) entries(v cty.Value, whole item) map[string]item {
	t := v.Type()
	if !t.IsObjectType() && !t.IsMapType() {
		c.wrongType(whole.at, "Write { NAME = VALUE }.", "%q must be a map, but this is %s.", c.a.name, typeName(t))
		return nil
	}
	c.keysOnce(c.a.expr)
	ranges := c.keyRanges()
	vals := v.AsValueMap()
	out := map[string]item{}
	for _, k := range sortedKeys(vals) {
		e, it := vals[k], whole
		if e.ContainsMarked() {
			e, _ = e.UnmarkDeep()
			it.sensitive = true
		}
		if r, ok := ranges[k]; ok {
			it.at = r
		}
		s, ok := "", true
		if it.null = e.IsNull(); !it.null {
			s, ok = primitive(e)
		}
		if !ok {
			c.wrongType(it.at, "", "%q must be a map of strings, but %q is %s.", c.a.name, k, typeName(e.Type()))
			continue
		}
		it.text = s
		out[k] = it
	}
	return out
}

// keysOnce reports a key that stands twice in an object that is written out: only the last one would count.
func (c *converter) keysOnce(expr hhcl.Expression) {
	pairs, ds := hhcl.ExprMap(expr)
	if ds.HasErrors() {
		return
	}
	seen := map[string]diag.Range{}
	for _, p := range pairs {
		k, ds := p.Key.Value(nil)
		if ds.HasErrors() || k.Type() != cty.String || !k.IsKnown() || k.IsNull() {
			continue
		}
		at := c.a.file.rng(p.Key.Range())
		if first, ok := seen[k.AsString()]; ok {
			c.ok = false
			c.l.add(diag.Diagnostic{Code: codeBadEntry, Subject: &at, Summary: "Key written twice", Advice: "Keep one of them.",
				Detail:  fmt.Sprintf("%s says %q twice.", upperFirst(c.a.describe()), k.AsString()),
				Related: []diag.Related{{Range: first, Message: "the first one"}}})
		}
		seen[k.AsString()] = at
	}
}

// keyRanges is the range of each value of a map that is written out with fixed keys.
func (c *converter) keyRanges() map[string]diag.Range {
	out := map[string]diag.Range{}
	pairs, ds := hhcl.ExprMap(c.a.expr)
	if ds.HasErrors() {
		return out
	}
	for _, p := range pairs {
		if k, ds := p.Key.Value(nil); !ds.HasErrors() && k.Type() == cty.String && k.IsKnown() && !k.IsNull() {
			out[k.AsString()] = c.a.file.rng(p.Value.Range())
		}
	}
	return out
}

// primitive is a string, number or bool as text.
func primitive(v cty.Value) (string, bool) {
	if !v.Type().IsPrimitiveType() || v.IsNull() {
		return "", false
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil || s.IsNull() {
		return "", false
	}
	return s.AsString(), true
}

// joined is a list of strings as one text.
func joined(v cty.Value) (string, bool) {
	t := v.Type()
	if !t.IsListType() && !t.IsTupleType() && !t.IsSetType() {
		return "", false
	}
	var parts []string
	for _, e := range v.AsValueSlice() {
		s, ok := primitive(e)
		if !ok {
			return "", false
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ","), true
}

// typeName is a type in a sentence, with its article.
func typeName(t cty.Type) string {
	switch {
	case t.IsTupleType(), t.IsListType():
		return "a list"
	case t.IsSetType():
		return "a set"
	case t.IsObjectType():
		return "an object"
	case t.IsMapType():
		return "a map"
	}
	return "a " + t.FriendlyName()
}

// merge puts a later value over an earlier one, by the rule of the table. Either may be nil, for not set.
func merge(earlier, later *value) *value {
	if later == nil {
		return earlier
	}
	out := *later
	switch {
	case later.null:
	case (later.spec.Merge == schema.MergeAppend || later.spec.Merge == schema.MergeEntries) && earlier != nil && len(later.list) > 0:
		out.list = slices.Concat(earlier.list, later.list)
	case later.spec.Merge == schema.MergeKeys:
		out.keys = map[string]item{}
		if earlier != nil {
			maps.Copy(out.keys, earlier.keys)
		}
		for k, it := range later.keys {
			if out.keys[k] = it; it.null {
				delete(out.keys, k)
			}
		}
	}
	return &out
}

// text is a string attribute of a block that is not a target, or empty.
func (l *loader) text(b *block, name string) string {
	a := b.attrs[name]
	if a == nil {
		return ""
	}
	v, ok := l.attributeValue(a, nil)
	if !ok {
		return ""
	}
	return v.one.text
}

// label is how an attribute of a target is called in a sentence about references.
func label(target, attribute string) string { return fmt.Sprintf("target.%s.%s", target, attribute) }
