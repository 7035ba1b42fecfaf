package hcl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// target is all blocks of one target's name.
type target struct {
	name   string
	blocks []*block // in the order in which they apply

	walk    nodeState
	next    *target    // while walking: the parent that is being walked,
	nextAt  diag.Range // and where it is named
	layers  []*block   // blocks of the ancestors and of the target, later over earlier
	damaged bool       // something in the ancestry is wrong, so that what is missing need not be the author's mistake

	inherited bool // some other target inherits from it

	// Set by settle, when the layers of all targets are known.
	platforms []schema.Platform
	reader    *attribute // the first attribute that reads the platform object, or nil
	template  bool       // it reads the platform object but has no platforms: others can inherit from it, it cannot be built
}

func (l *loader) declareTarget(b *block) {
	t := l.byName[b.name]
	if t == nil {
		t = &target{name: b.name}
		l.byName[b.name] = t
		l.targets = append(l.targets, t)
	}
	for _, old := range t.blocks {
		if old.at.Filename == b.at.Filename { // blocks of several files are merged
			l.once("target", b.name, map[string]diag.Range{b.name: old.label}, b.label)
			break
		}
	}
	t.blocks = append(t.blocks, b)
}

// targetAttr is an attribute of the type target in the table.
func targetAttr(name string) *schema.Attribute { return language.Block("target").Attribute(name) }

// last is the attribute of that name in the last of the blocks that has it, or nil.
func last(blocks []*block, name string) *attribute {
	for i := len(blocks) - 1; i >= 0; i-- {
		if a := blocks[i].attrs[name]; a != nil {
			return a
		}
	}
	return nil
}

// layersOf is the blocks that make up a target: its parents' from left to right, then its own. A block that is reached
// on two ways counts where it is reached last.
func (l *loader) layersOf(t *target) []*block {
	if t.walk != fresh {
		return t.layers
	}
	t.walk = busy
	var out []*block
	for _, it := range l.parents(t) {
		p := l.byName[it.text]
		t.next, t.nextAt = p, it.at
		switch {
		case p == nil:
			t.damaged = true
			l.errorf(codeUnknownTarget, it.at, "Unknown target", oneOf(it.text, l.targetNames()), "There is no target %q to inherit from.", it.text)
		case p.walk == busy:
			l.reportInheritsCycle(p, t)
		default:
			p.inherited = true
			out = append(out, l.layersOf(p)...)
			t.damaged = t.damaged || p.damaged
		}
	}
	out = append(out, t.blocks...)
	t.layers = keepLast(out)
	t.walk = done
	return t.layers
}

// parents is the value of inherits.
func (l *loader) parents(t *target) []item {
	a := last(t.blocks, "inherits")
	if a == nil {
		return nil
	}
	v, ok := l.attributeValue(a, nil)
	if !ok {
		t.damaged = true
		return nil
	}
	return v.list
}

// keepLast drops all but the last occurrence of each block.
func keepLast(blocks []*block) []*block {
	seen := map[*block]bool{}
	var out []*block
	for _, b := range slices.Backward(blocks) {
		if !seen[b] {
			seen[b] = true
			out = append(out, b)
		}
	}
	slices.Reverse(out)
	return out
}

// reportInheritsCycle spells out the circle that end closes by inheriting from start.
func (l *loader) reportInheritsCycle(start, end *target) {
	var circle []*target
	for t := start; ; t = t.next {
		t.damaged = true
		circle = append(circle, t)
		if t == end {
			break
		}
	}
	d := diag.Diagnostic{Code: codeInheritsCycle, Summary: "Targets inherit in a circle", Advice: "Take one of these names out of its inherits."}
	var words []string
	for i, t := range circle {
		next := circle[(i+1)%len(circle)]
		words = append(words, fmt.Sprintf("%q inherits from %q", t.name, next.name))
		if i == 0 {
			at := t.nextAt
			d.Subject = &at
		} else {
			d.Related = append(d.Related, diag.Related{Range: t.nextAt, Message: words[i] + " here"})
		}
	}
	d.Detail = "Target " + strings.Join(words, ", ") + "."
	l.add(d)
}

// contributions is the attributes that make up one attribute of a target, in the order of merging.
func (l *loader) contributions(t *target, spec *schema.Attribute) []*attribute {
	blocks := l.layersOf(t)
	if spec.Merge == schema.MergeNone {
		blocks = t.blocks
	}
	if spec.Merge != schema.MergeKeys && spec.Merge != schema.MergeAppend && spec.Merge != schema.MergeEntries {
		if a := last(blocks, spec.Name); a != nil {
			return []*attribute{a}
		}
		return nil
	}
	var out []*attribute
	for _, b := range blocks {
		if a := b.attrs[spec.Name]; a != nil {
			out = append(out, a)
		}
	}
	return out
}

// platformReader is the first contribution that reads the platform, or nil.
func (l *loader) platformReader(t *target, spec *schema.Attribute) *attribute {
	for _, a := range l.contributions(t, spec) {
		if a.readsPlatform {
			return a
		}
	}
	return nil
}

// merged is an attribute of a target for one platform, before --set; nil if nothing sets it.
func (l *loader) merged(t *target, spec *schema.Attribute, p *schema.Platform) (*value, bool) {
	var out *value
	ok := true
	for _, a := range l.contributions(t, spec) {
		v, good := l.attributeValue(a, p)
		if !good {
			ok = false
			continue
		}
		out = merge(out, v)
	}
	return out, ok
}

// targetAttribute is the value of target.NAME.ATTR, to which at refers.
func (l *loader) targetAttribute(name, attr string, at diag.Range, in place) (cty.Value, bool) {
	t, spec := l.byName[name], targetAttr(attr)
	switch {
	case t == nil:
		l.errorf(codeUnknownTarget, at, "Unknown target", oneOf(name, l.targetNames()), "There is no target %q.", name)
		return cty.DynamicVal, false
	case spec == nil:
		l.errorf(codeUnknownAttribute, at, "Unknown attribute", didYouMean(attr, language.Block("target").Names()), "A target block has no attribute %q.", attr)
		return cty.DynamicVal, false
	}
	// The referring folder is part of the key: relative paths are shown as they are only where they mean the same.
	dir := in.file.dir()
	key := label(name, attr) + "\x00" + dir
	n := l.nodes[key]
	if n == nil {
		n = &node{label: label(name, attr), kind: kindTarget, decl: t.blocks[0].at}
		n.eval = func() (cty.Value, bool) {
			if t.walk == busy && spec.Merge != schema.MergeNone {
				l.errorf(codeReferenceCycle, at, "Values in a circle", "Break the circle here.",
					"%s depends on the parents of %q, and they depend on it.", n.label, name)
				return cty.DynamicVal, false
			}
			if r := l.platformReader(t, spec); r != nil {
				l.add(diag.Diagnostic{Code: codePlatformReference, Subject: &at, Summary: "The value differs between platforms",
					Detail:  fmt.Sprintf("%s reads the platform object, so it has no single value.", n.label),
					Related: []diag.Related{{Range: r.at, Message: "it reads the platform here"}}})
				return cty.DynamicVal, false
			}
			v, ok := l.merged(t, spec, nil)
			if !ok {
				return cty.DynamicVal, false
			}
			return ctyValue(spec, v, dir), true
		}
		l.nodes[key] = n
	}
	return l.resolve(n, at)
}

// ctyValue is a finished value as expressions see it. What is not set has the default of the table, or is null or
// empty.
func ctyValue(spec *schema.Attribute, v *value, dir string) cty.Value {
	unset := v == nil || v.null
	switch spec.Type {
	case schema.TypeBool:
		return cty.BoolVal(!unset && v.one.text == "true")
	case schema.TypeStringList:
		var out []string
		for _, it := range orEmpty(v).list {
			out = append(out, seenFrom(spec, it, dir))
		}
		return stringList(out)
	case schema.TypeStringMap, schema.TypeResources:
		out := map[string]cty.Value{}
		for k, it := range orEmpty(v).keys {
			out[k] = cty.StringVal(seenFrom(spec, it, dir))
			if it.sensitive {
				out[k] = out[k].Mark(sensitive)
			}
		}
		return cty.ObjectVal(out)
	case schema.TypeOutputList:
		out := []cty.Value{}
		for _, it := range orEmpty(v).list {
			out = append(out, outputValue(it, dir))
		}
		return cty.TupleVal(out)
	case schema.TypeCacheList, schema.TypeSecretList, schema.TypeSSHList, schema.TypeAttestList, schema.TypePolicyList:
		out := []cty.Value{}
		for _, it := range orEmpty(v).list {
			out = append(out, entryValues(spec.Type, it, dir)...)
		}
		return cty.TupleVal(out)
	}
	switch {
	case !unset:
		return cty.StringVal(seenFrom(spec, v.one, dir))
	case spec.Default != "":
		return cty.StringVal(defaultText(spec))
	}
	return cty.NullVal(cty.String)
}

func orEmpty(v *value) *value {
	if v == nil {
		return &value{}
	}
	return v
}

// seenFrom is the text of an item as an expression in a file of folder dir may use it.
func seenFrom(spec *schema.Attribute, it item, dir string) string {
	if spec.PathBase != schema.PathFile || it.base == dir {
		return it.text
	}
	return treePath(it.text, it.base)
}

// outputValue is an output as an object of strings.
func outputValue(it item, dir string) cty.Value {
	o, err := output(it)
	if err != nil { // reported where the target is built
		return cty.DynamicVal
	}
	out := map[string]cty.Value{"type": cty.StringVal(string(o.Type))}
	if o.Dest != "" {
		dest := o.Dest
		if it.base != dir {
			dest = resolvePath(dest, it.base)
		}
		out["dest"] = cty.StringVal(dest)
	}
	if o.Type == schema.OutputImage && o.Push {
		out["push"] = cty.StringVal("true")
	}
	for k, v := range o.Attrs {
		out[k] = cty.StringVal(v)
	}
	return cty.ObjectVal(out)
}

// entryValues is one element of a list of caches, secrets, ... as objects of strings.
func entryValues(typ schema.ValueType, it item, dir string) []cty.Value {
	entries, err := entriesOf(typ, it)
	if err != nil { // reported where the target is built
		return []cty.Value{cty.DynamicVal}
	}
	var out []cty.Value
	for _, e := range entries {
		o := map[string]cty.Value{}
		for k, v := range e.fields {
			if (k == "src" || k == "dest") && it.base != dir {
				v = resolvePath(v, it.base)
			}
			o[k] = cty.StringVal(v)
		}
		if len(e.paths) > 0 {
			var paths []cty.Value
			for _, p := range e.paths {
				if it.base != dir {
					p = resolvePath(p, it.base)
				}
				paths = append(paths, cty.StringVal(p))
			}
			o["paths"] = cty.TupleVal(paths)
		}
		out = append(out, cty.ObjectVal(o))
	}
	return out
}

// defaultText is the default of a string attribute.
func defaultText(spec *schema.Attribute) string { return strings.Trim(spec.Default, `"`) }
