package hcl

import (
	"path"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// setText is the name under which the --set arguments stand in the sources, one a line.
const setText = "--set"

// override is one --set argument, for one target.
type override struct {
	spec  *schema.Attribute
	sub   string // key in a map
	add   bool   // written with +=
	unset bool   // no value: an empty list, a string that is not set, a named context that is removed
	items []item
	whole diag.Range
	// flag is keyPush or keyLoad for the keys of these names, which change the outputs; on is their value.
	flag string
	on   bool
}

// setArgument is one --set argument being read.
type setArgument struct {
	*loader
	text  string
	start int // offset in the source of all arguments
}

// readSets reads all --set arguments. Bad ones are reported and left out.
func (l *loader) readSets() {
	if len(l.env.Sets) == 0 {
		return
	}
	l.sources[setText] = []byte(strings.Join(l.env.Sets, "\n"))
	off := 0
	for _, s := range l.env.Sets {
		a := &setArgument{loader: l, text: s, start: off}
		a.read()
		off += len(s) + len("\n")
	}
}

// at is the range of a part of the argument.
func (a *setArgument) at(from, to int) diag.Range {
	return a.textRange(setText, a.start+from, a.start+to)
}

func (a *setArgument) read() {
	left, val, found := strings.Cut(a.text, "=")
	all := a.at(0, len(a.text))
	keys, add := strings.CutSuffix(left, "+")
	parts := strings.SplitN(keys, ".", 3)
	if !found || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		a.errorf(codeBadSet, all, "Bad --set", "Write TARGET.KEY=VALUE, for example app.args.VERSION=1.2.", "%q does not name a target, a key and a value.", a.text)
		return
	}
	o := override{add: add, whole: all}
	targets, ok := a.targetsOf(parts[0])
	if parts[1] == keyPush || parts[1] == keyLoad {
		a.outputFlag(o, parts[1:], val, targets)
		return
	}
	keyAt := a.at(len(parts[0])+1, len(keys))
	o.spec = a.keyOf(parts[1], a.at(len(parts[0])+1, len(parts[0])+1+len(parts[1])))
	if o.spec == nil {
		return
	}
	if len(parts) == 3 {
		o.sub = parts[2]
	}
	switch {
	case o.spec.SubKey && o.sub == "":
		a.errorf(codeBadSet, keyAt, "Bad --set", "", "%s needs a name: %s.%s.NAME=VALUE.", parts[1], parts[0], parts[1])
		return
	case !o.spec.SubKey && len(parts) == 3:
		a.errorf(codeBadSet, keyAt, "Bad --set", "", "%s has no parts, so it cannot be followed by %q.", parts[1], "."+o.sub)
		return
	}
	if !a.value(&o, val, a.at(len(left)+1, len(a.text))) || !ok {
		return
	}
	for _, t := range targets {
		a.overrides[t] = append(a.overrides[t], o)
	}
}

// outputFlag reads TARGET.push=BOOL and TARGET.load=BOOL.
func (a *setArgument) outputFlag(o override, key []string, val string, targets []*target) {
	on, err := strconv.ParseBool(val)
	if err != nil || len(key) > 1 || o.add {
		a.errorf(codeBadSet, o.whole, "Bad --set", "", "%s must be true or false, not %q.", key[0], val)
		return
	}
	o.spec, o.flag, o.on = targetAttr("output"), key[0], on
	for _, t := range targets {
		if t != nil {
			a.overrides[t] = append(a.overrides[t], o)
		}
	}
}

// flagged applies push and load to the outputs of the build, as Bake does, except that nothing is pushed that has no name.
func (b *builder) flagged() {
	for _, o := range b.overrides[b.target] {
		switch {
		case o.flag == keyPush:
			b.push(o.on)
		case o.flag == keyLoad && o.on:
			b.load()
		}
	}
}

func (b *builder) push(on bool) {
	others := false
	for i := range b.out.Outputs {
		out := &b.out.Outputs[i]
		others = others || out.Type != schema.OutputDocker
		if out.Type == schema.OutputImage {
			out.Push = on
		}
	}
	if on && !others && len(b.out.Tags) > 0 {
		b.out.Outputs = append(b.out.Outputs, schema.Output{Type: schema.OutputImage, Push: true})
	}
}

// load adds an output to the Docker Engine, unless there is one or an output is none of an image.
func (b *builder) load() {
	for _, out := range b.out.Outputs {
		if !out.Image() || out.Type == schema.OutputDocker && out.Dest == "" {
			return
		}
	}
	b.out.Outputs = append(b.out.Outputs, schema.Output{Type: schema.OutputDocker})
}

// targetsOf is the targets that a name or a pattern means.
func (a *setArgument) targetsOf(pattern string) ([]*target, bool) {
	at := a.at(0, len(pattern))
	if !strings.ContainsAny(pattern, `*?[\`) {
		t := a.byName[pattern]
		if t == nil {
			a.errorf(codeUnknownTarget, at, "Unknown target", oneOf(pattern, a.targetNames()), "There is no target %q.", pattern)
		}
		return []*target{t}, t != nil
	}
	var out []*target
	for _, t := range a.targets {
		match, err := path.Match(pattern, t.name)
		if err != nil {
			a.errorf(codeBadSet, at, "Bad --set", "", "%q is not a pattern of target names.", pattern)
			return nil, false
		}
		if match {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		a.errorf(codeUnknownTarget, at, "Unknown target", oneOf(pattern, a.targetNames()), "No target matches %q.", pattern)
	}
	return out, len(out) > 0
}

// keyOf finds the attribute that a key of --set means. The singular of a plural key is accepted, as in Bake, where it
// is not itself a key.
func (a *setArgument) keyOf(key string, at diag.Range) *schema.Attribute {
	var keys []string
	var plural *schema.Attribute
	attrs := language.Block("target").Attributes
	for i := range attrs {
		s := &attrs[i]
		if s.SetKey == "" {
			continue
		}
		if s.SetKey == key {
			return s
		}
		if s.SetKey == key+"s" {
			plural = s
		}
		keys = append(keys, s.SetKey)
	}
	if plural != nil {
		return plural
	}
	if targetAttr(key) != nil {
		a.errorf(codeBadSet, at, "Bad --set", "Change it in the build file.", "%s cannot be changed on the command line.", key)
		return nil
	}
	a.errorf(codeUnknownAttribute, at, "Unknown key", oneOf(key, keys), "A target has no key %q that --set can change.", key)
	return nil
}

// value reads the text after the equals sign.
func (a *setArgument) value(o *override, val string, at diag.Range) bool {
	it := item{text: val, at: at, base: a.env.Dir}
	isList := listType(o.spec.Type)
	if o.add && !isList {
		a.errorf(codeBadSet, o.whole, "Bad --set", "Use = in place of +=.", "%s is not a list, so nothing can be added to it.", o.spec.SetKey)
		return false
	}
	// A path is never empty, so an empty one takes the entry away.
	isEntry := !isList && o.spec.SubKey && o.spec.PathBase == schema.PathNone
	o.unset = val == "" && !isEntry
	switch {
	case o.spec.Type == schema.TypeBool:
		b, err := strconv.ParseBool(val)
		if err != nil {
			a.errorf(codeBadSet, o.whole, "Bad --set", "", "%s must be true or false, not %q.", o.spec.SetKey, val)
			return false
		}
		it.text, o.unset = strconv.FormatBool(b), false
		o.items = []item{it}
	case o.unset:
	case o.spec.Type == schema.TypeStringList:
		// Several elements at once; an output has commas of its own.
		off := at.Start.Byte
		for _, s := range strings.Split(val, ",") {
			it.text, it.at = strings.TrimSpace(s), a.textRange(setText, off, off+len(s))
			o.items = append(o.items, it)
			off += len(s) + len(",")
		}
	default:
		o.items = []item{it}
	}
	return true
}

// listType reports whether values of a type are lists.
func listType(t schema.ValueType) bool {
	switch t {
	case schema.TypeString, schema.TypeBool, schema.TypeStringMap, schema.TypeResources, schema.TypeAny:
		return false
	}
	return true
}

// final is an attribute of a target for one platform, with --set applied; nil if nothing sets it.
func (l *loader) final(t *target, spec *schema.Attribute, p *schema.Platform) (*value, bool) {
	v, ok := l.merged(t, spec, p)
	replaced := false
	for _, o := range l.overrides[t] {
		if o.spec != spec || o.flag != "" {
			continue
		}
		v = o.apply(v, replaced)
		replaced = replaced || !o.add
	}
	return v, ok
}

// apply is v changed by o. The first = replaces a list, those after it add to what was set.
func (o override) apply(v *value, replaced bool) *value {
	out := &value{spec: o.spec, at: o.whole}
	switch o.spec.Type {
	default:
		// What has an id replaces only what has the same one.
		if o.add || !o.unset && (replaced || o.spec.Merge == schema.MergeEntries) {
			out.list = append(out.list, orEmpty(v).list...)
		}
		out.list = append(out.list, o.items...)
	case schema.TypeStringMap, schema.TypeResources:
		entry := item{null: o.unset}
		if !o.unset {
			entry = o.items[0]
		}
		out.keys = map[string]item{o.sub: entry}
		return merge(v, out)
	case schema.TypeString, schema.TypeBool:
		out.null = o.unset
		if !o.unset {
			out.one = o.items[0]
		}
	}
	return out
}
