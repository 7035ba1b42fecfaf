package hcl

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// bakeSet is what all --set arguments say of one key of one target.
type bakeSet struct {
	key, sub string
	spec     *schema.Attribute // nil for push and load
	text     string            // the last value
	list     []string          // of a list: what is set or added
	add      bool              // the last argument was written with +=
	clear    bool              // one of them was empty
	unknown  bool              // no such key: an error for a target that is resolved
	at       diag.Range
}

// The keys of --set that are no attributes.
const (
	keyPush = "push"
	keyLoad = "load"
)

// rank orders the keys of one target: outputs first, then what changes single secrets, then push, then load. Other keys
// do not touch each other. Bake applies them in an order that changes from run to run.
func (s bakeSet) rank() int {
	switch {
	case s.key == keyLoad:
		return 3
	case s.key == keyPush:
		return 2
	case s.sub != "" && s.key == "secret":
		return 1
	}
	return 0
}

// bakeSets reads all --set arguments. Targets are matched by name, or by pattern if there is no such name.
func (l *bakeLoader) bakeSets() map[string][]bakeSet {
	out := map[string][]bakeSet{}
	l.sources[setText] = []byte(strings.Join(l.env.Sets, "\n"))
	off := 0
	for _, s := range l.env.Sets {
		l.bakeSetArg(out, s, l.inText(setText, off, off+len(s)))
		off += len(s) + 1
	}
	for _, sets := range out {
		slices.SortStableFunc(sets, func(a, b bakeSet) int { return cmp.Compare(a.rank(), b.rank()) })
	}
	return out
}

// bakeSetArg reads one argument: TARGET.KEY[.SUB][+]=VALUE.
func (l *bakeLoader) bakeSetArg(out map[string][]bakeSet, arg string, at diag.Range) {
	left, val, given := strings.Cut(arg, "=")
	keys, add := strings.CutSuffix(left, "+")
	parts := strings.SplitN(keys, ".", 3)
	bad := func(advice, detail string, args ...any) {
		l.errorf(codeBadSet, at, "Bad --set", advice, detail, args...)
	}
	if len(parts) < 2 {
		bad("Write TARGET.KEY=VALUE, for example app.args.VERSION=1.2.", "%q does not name a target and a key.", arg)
		return
	}
	s := bakeSet{key: parts[1], spec: bakeSetKey(parts[1]), text: val, add: add, at: at}
	hasSub := len(parts) == 3
	if hasSub {
		s.sub = parts[2]
	}
	isArg := s.spec != nil && s.spec.Name == "args"
	if !given && !isArg {
		bad("", "%q has no value; write %s=VALUE.", arg, keys)
		return
	}
	targets := l.matchTargets(parts[0], at)
	if targets == nil || !l.checkSetKey(&s, arg, hasSub, bad) {
		return
	}
	if isArg && !given && !l.env.on("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP") {
		v, ok := l.env.Getenv(s.sub)
		if !ok {
			return // as in Bake, an argument without a value takes that of the environment, if any
		}
		s.text = v
	}
	for _, name := range targets {
		i := slices.IndexFunc(out[name], func(o bakeSet) bool { return o.key == s.key && o.sub == s.sub })
		if i < 0 {
			i = len(out[name])
			out[name] = append(out[name], bakeSet{key: s.key, sub: s.sub, spec: s.spec, unknown: s.unknown})
		}
		o := &out[name][i]
		o.text, o.at = s.text, at
		if !add && val == "" {
			o.clear, o.list = true, nil
		} else {
			o.list = append(slices.Clone(o.list), val)
		}
		o.add = add && !o.clear
	}
}

// bakeSetKey is the attribute that a key means, or nil.
func bakeSetKey(key string) *schema.Attribute {
	for _, exact := range []bool{true, false} {
		for i := range bakeTargetAttrs {
			a := &bakeTargetAttrs[i]
			switch {
			case a.SetKey == "":
			case exact && a.SetKey == key:
				return a
			case !exact && (a.SetKey == key+"s" || a.Name == key || (a.Name == "secret" && key == "secrets")):
				return a
			}
		}
	}
	return nil
}

// checkSetKey checks that key, subkey and operator go together.
func (l *bakeLoader) checkSetKey(s *bakeSet, arg string, hasSub bool, bad func(advice, detail string, args ...any)) bool {
	if s.spec == nil {
		s.unknown = s.key != keyPush && s.key != keyLoad
		if !s.unknown && hasSub {
			bad("", "%q has no parts.", s.key)
		}
		return s.unknown || !hasSub
	}
	s.key = s.spec.SetKey
	secretPart := s.spec.Name == "secret" && hasSub
	switch {
	case s.spec.SubKey && !hasSub:
		bad("", "%s needs a name: %s.NAME=VALUE.", s.key, s.key)
	case hasSub && !s.spec.SubKey && !secretPart:
		bad("", "%s has no parts, so it cannot be followed by %q.", s.key, "."+s.sub)
	case s.add && (secretPart || s.spec.Type == schema.TypeResources):
		bad("Use = in place of +=.", "Nothing can be added to %s.", s.key)
	default:
		return true
	}
	return false
}

// matchTargets is the targets that the first part of a --set argument means; nil after a problem.
func (l *bakeLoader) matchTargets(pattern string, at diag.Range) []string {
	if l.byTarget[pattern] != nil {
		return []string{pattern}
	}
	var out, all []string
	for _, t := range l.targets {
		all = append(all, t.name)
		ok, err := path.Match(pattern, t.name)
		if err != nil {
			l.errorf(codeBadSet, at, "Bad --set", "", "%q is not a pattern of target names.", pattern)
			return nil
		}
		if ok {
			out = append(out, t.name)
		}
	}
	if out == nil {
		l.errorf(codeUnknownTarget, at, "Unknown target", oneOf(pattern, all), "No target matches %q.", pattern)
	}
	return out
}

// apply changes a target by what --set says of one key.
func (r *resolver) apply(t *bakeTarget, s bakeSet) bool {
	fail := func(detail string, args ...any) bool {
		r.errorf(codeBadSet, s.at, "Bad --set", "", detail, args...)
		return false
	}
	switch {
	case s.unknown:
		r.errorf(codeUnknownAttribute, s.at, "Unknown key", oneOf(s.key, bakeSetKeys()), "A target has no key %q that --set can change.", s.key)
		return false
	case s.spec == nil:
		on, err := strconv.ParseBool(s.text)
		if err != nil {
			return fail("%s must be true or false, not %q.", s.key, s.text)
		}
		t.setOutputs(s, on)
		return true
	}
	name := s.spec.Name
	old := t.values[name]
	out := &bakeValue{at: &s.at}
	if old != nil && s.spec.Type != schema.TypeString {
		*out = *old
	}
	switch s.spec.Type {
	case schema.TypeString:
		out.text = s.text
	case schema.TypeBool:
		on, err := strconv.ParseBool(s.text)
		if err != nil {
			return fail("%s must be true or false, not %q.", s.key, s.text)
		}
		out.flag = on
	case schema.TypeStringMap, schema.TypeResources:
		if s.spec.Type == schema.TypeResources {
			problem := ""
			if s.text, problem = resourceText(s.sub, s.text); problem != "" {
				return fail("%s", problem)
			}
		}
		out.keys = maps.Clone(out.keys)
		if out.keys == nil {
			out.keys = map[string]*string{}
		}
		out.keys[s.sub] = &s.text
		out.bases = maps.Clone(out.bases)
		delete(out.bases, s.sub)
	case schema.TypeStringList:
		keep := s.add || ((name == "annotations" || name == "entitlements") && !s.clear) // these two only grow
		if !keep {
			out.list = nil
		}
		if out.list = slices.Concat(out.list, s.list); len(out.list) == 0 {
			delete(t.values, name) // to an heir, a cleared list says nothing
			return true
		}
	default:
		return r.applyEntries(t, s, out, fail)
	}
	out.at = &s.at
	t.values[name] = out
	return true
}

// resourceText is the value of one resource in its normal form; problem says what is wrong with it.
func resourceText(name, text string) (out, problem string) {
	for _, k := range resourceKeys {
		switch {
		case k.name != name:
			continue
		case !k.number:
			return text, ""
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "", fmt.Sprintf("%s must be a whole number, not %q.", name, text)
		}
		return strconv.FormatInt(n, 10), ""
	}
	return "", fmt.Sprintf("There is no resource %q.", name)
}

// applyEntries changes a list of entries.
func (r *resolver) applyEntries(t *bakeTarget, s bakeSet, out *bakeValue, fail func(string, ...any) bool) bool {
	if s.sub != "" {
		return r.applySecret(t, s, fail)
	}
	var added []bakeEntry
	for _, text := range s.list {
		if text == "" {
			continue
		}
		es, err := parseEntry(s.spec.Type, text)
		if err != nil {
			return fail("%s: %v.", s.key, err)
		}
		added = append(added, es...)
	}
	switch keep := s.add || (s.spec.Name == "attest" && !s.clear); {
	case !keep:
		out.entries = added
	default:
		out.entries = dedup(s.spec, slices.Concat(out.entries, added))
	}
	out.at = &s.at
	t.values[s.spec.Name] = out
	return true
}

// applySecret changes where the value of one declared secret comes from.
func (r *resolver) applySecret(t *bakeTarget, s bakeSet, fail func(string, ...any) bool) bool {
	v := t.values["secret"]
	var ids []string
	if v != nil {
		for i, e := range v.entries {
			ids = append(ids, e.fields["id"])
			if e.fields["id"] != s.sub {
				continue
			}
			next, err := parseEntry(schema.TypeSecretList, s.text)
			if err != nil {
				return fail("secret.%s: %v.", s.sub, err)
			}
			if id := next[0].fields["id"]; id != "" && id != s.sub {
				return fail("secret.%s cannot take the id %q.", s.sub, id)
			}
			next[0].fields["id"] = s.sub
			c := *v
			c.entries = slices.Clone(v.entries)
			c.entries[i], c.at = next[0], &s.at
			t.values["secret"] = &c
			return true
		}
	}
	return fail("The target %q has no secret %q.%s", t.name, s.sub, prefixed(" ", oneOf(s.sub, ids)))
}

func prefixed(p, s string) string {
	if s == "" {
		return ""
	}
	return p + s
}

// bakeSetKeys are the keys that --set has in Bake's dialect.
func bakeSetKeys() []string {
	out := []string{keyPush, keyLoad}
	for _, a := range bakeTargetAttrs {
		if a.SetKey != "" {
			out = append(out, a.SetKey)
		}
	}
	return out
}

// setOutputs applies push and load, which add to the outputs or change them.
func (t *bakeTarget) setOutputs(s bakeSet, on bool) {
	out := &bakeValue{at: &s.at}
	if v := t.values["output"]; v != nil {
		out.entries = slices.Clone(v.entries)
	}
	if s.key == keyLoad {
		out.entries = withLoad(out.entries, on)
	} else {
		out.entries = withPush(out.entries, on)
	}
	if len(out.entries) > 0 || t.values["output"] != nil {
		t.values["output"] = out
	}
}

func setField(e bakeEntry, k, v string) bakeEntry {
	e.fields = maps.Clone(e.fields)
	e.fields[k] = v
	return e
}

// withPush makes outputs push: an image output does, and where there is none but docker outputs one is added. Without
// push, registry outputs go and image outputs stay local; the last output takes the place of one that goes, as in Bake.
func withPush(out []bakeEntry, on bool) []bakeEntry {
	if !on {
		for i := 0; i < len(out); {
			switch out[i].fields["type"] {
			case "registry":
				out[i] = out[len(out)-1]
				out = out[:len(out)-1]
				continue
			case "image":
				out[i] = setField(out[i], keyPush, "false")
			}
			i++
		}
		return out
	}
	add := true
	for i, e := range out {
		add = add && e.fields["type"] == "docker"
		if e.fields["type"] == "image" {
			out[i] = setField(e, keyPush, "true")
		}
	}
	if add {
		out = append(out, bakeEntry{fields: map[string]string{"type": "image", keyPush: "true"}})
	}
	return out
}

// withLoad adds an output to the engine, unless there is one or an output is none of an image.
func withLoad(out []bakeEntry, on bool) []bakeEntry {
	if !on {
		return out
	}
	for _, e := range out {
		switch e.fields["type"] {
		case "docker":
			if e.fields["dest"] == "" {
				return out
			}
		case "image", "registry", "oci":
		default:
			return out
		}
	}
	return append(out, bakeEntry{fields: map[string]string{"type": "docker"}})
}
