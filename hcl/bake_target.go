package hcl

import (
	"maps"
	"path/filepath"
	"slices"

	hhcl "github.com/hashicorp/hcl/v2"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// bakeTarget is a target of Bake's dialect: what its blocks say, or, after resolving, what it and its parents say.
type bakeTarget struct {
	name   string
	at     diag.Range
	values map[string]*bakeValue // what is set

	base    string // the file of the last block, for file-relative paths
	hasBase bool
	linked  bool // built only because another target needs it

	perPlatform map[string]map[string]*bakeValue // in xbuild's dialect: what differs between platforms
}

// bakeGroup is a group of Bake's dialect.
type bakeGroup struct {
	name, description string
	targets           []string
	hasTargets        bool
	at                diag.Range
	// members is where the group names its members, as far as each stands by itself; list is where it names all of them.
	members map[string]diag.Range
	list    diag.Range
}

// memberAt is where a group names a member; fallback where that is not known.
func (g *bakeGroup) memberAt(name string, fallback diag.Range) diag.Range {
	if at, ok := g.members[name]; ok {
		return at
	}
	if slices.Contains(g.targets, name) && g.list.Filename != "" {
		return g.list
	}
	return fallback
}

// list is the value of a list attribute, or nil.
func (t *bakeTarget) list(attr string) []string {
	if v := t.values[attr]; v != nil {
		return v.list
	}
	return nil
}

// text is the value of a string attribute.
func (t *bakeTarget) text(attr string) (string, bool) {
	if v := t.values[attr]; v != nil {
		return v.text, true
	}
	return "", false
}

// merge puts a later target over t, attribute by attribute, by the rules of the table.
func (t *bakeTarget) merge(later *bakeTarget) {
	if later.hasBase {
		t.base, t.hasBase = later.base, true
	}
	for name, v := range later.values {
		if name == "inherits" {
			t.values[name] = &bakeValue{list: slices.Concat(t.list(name), v.list), at: v.at}
			continue
		}
		if m := mergeBake(bakeAttr(name), t.values[name], v); m != nil {
			t.values[name] = m
		}
	}
}

// mergeBake puts a later value over an earlier one, which may be nil. It gives nil if together they say nothing.
func mergeBake(spec *schema.Attribute, earlier, later *bakeValue) *bakeValue {
	switch {
	case spec.Name == "description" && later.text == "":
		return earlier
	case spec.Type == schema.TypeResources, spec.Merge == schema.MergeKeys:
		return mergeKeys(spec, earlier, later)
	case spec.Merge == schema.MergeAppend && spec.Type == schema.TypeStringList:
		if earlier != nil {
			out := *later
			out.list = slices.Concat(earlier.list, later.list)
			return &out
		}
	case spec.Merge == schema.MergeAppend || spec.Merge == schema.MergeEntries:
		if earlier != nil || len(later.entries) > 1 {
			out := *later
			if earlier != nil {
				out.entries = slices.Concat(earlier.entries, later.entries)
			}
			out.entries = dedup(spec, out.entries)
			return &out
		}
	}
	return later
}

// mergeKeys is mergeBake for maps, key by key.
func mergeKeys(spec *schema.Attribute, earlier, later *bakeValue) *bakeValue {
	if earlier == nil && len(later.keys) > 0 && later.bases == nil && !hasNull(later.keys) {
		return later
	}
	out := *later
	out.keys, out.bases = map[string]*string{}, nil
	var early, late map[string]*bakeBase = nil, later.bases
	if earlier != nil {
		maps.Copy(out.keys, earlier.keys)
		early = earlier.bases
	}
	if early != nil || late != nil {
		out.bases = map[string]*bakeBase{}
		maps.Copy(out.bases, early)
	}
	for k, s := range later.keys {
		if s == nil {
			continue
		}
		if out.keys[k] = s; out.bases != nil {
			out.bases[k] = late[k]
		}
	}
	if len(out.keys) == 0 && spec.Type != schema.TypeResources {
		return earlier
	}
	return &out
}

func hasNull(keys map[string]*string) bool {
	for _, s := range keys {
		if s == nil {
			return true
		}
	}
	return false
}

// dedup drops repeated entries in the way of the list: of secret, ssh and attest the last entry of an id or type takes
// the place of the first; of caches and outputs a repetition is overwritten by the last entry of the list, which is
// what Bake does and why the order can change.
func dedup(spec *schema.Attribute, in []bakeEntry) []bakeEntry {
	switch {
	case spec.Type == schema.TypePolicyList:
		return in
	case spec.Merge == schema.MergeEntries:
		key := "id"
		if spec.Type == schema.TypeAttestList {
			key = "type"
		}
		var out []bakeEntry
		at := map[string]int{}
		for _, e := range in {
			if i, ok := at[e.fields[key]]; ok {
				out[i] = e
				continue
			}
			at[e.fields[key]] = len(out)
			out = append(out, e)
		}
		return out
	}
	out := slices.Clone(in)
	for i := len(out) - 2; i >= 0; i-- {
		if j := slices.IndexFunc(out[i+1:], out[i].equal); j >= 0 {
			out[i+1+j] = out[len(out)-1]
			out = out[:len(out)-1]
		}
	}
	return out
}

// normalize brings a resolved target into its final form.
func (t *bakeTarget) normalize() {
	for i := range bakeTargetAttrs {
		spec := &bakeTargetAttrs[i]
		v := t.values[spec.Name]
		if v == nil || spec.Name == "inherits" {
			continue
		}
		switch spec.Type {
		case schema.TypeStringList:
			if len(v.list) == 0 || len(v.list) == 1 && v.list[0] != "" {
				continue
			}
			c := *v
			c.list = slices.DeleteFunc(unique(v.list), func(s string) bool { return s == "" })
			t.values[spec.Name] = &c
		case schema.TypeOutputList, schema.TypeCacheList, schema.TypeSecretList, schema.TypeSSHList, schema.TypeAttestList:
			switch len(v.entries) {
			case 0:
				delete(t.values, spec.Name) // to an heir, a parent without entries says nothing
				continue
			case 1:
				continue
			}
			c := *v
			c.entries = dedup(spec, v.entries)
			t.values[spec.Name] = &c
		}
	}
	if net, _ := t.text("network"); net == "host" {
		c := bakeValue{at: t.values["network"].at}
		if v := t.values["entitlements"]; v != nil {
			c = *v
		}
		c.list = unique(append(slices.Clone(c.list), "network.host"))
		t.values["entitlements"] = &c
	}
	if v := t.values["contexts"]; v != nil && len(v.keys) > 0 {
		c := *v
		c.keys = maps.Clone(v.keys)
		maps.DeleteFunc(c.keys, func(_ string, s *string) bool { return s == nil || *s == "" })
		t.values["contexts"] = &c
	}
}

func (t *bakeTarget) clone() *bakeTarget {
	c := *t
	c.values = maps.Clone(t.values)
	return &c
}

// bakeBase is the file whose folder a path is relative to when BUILDX_BAKE_FILE_RELATIVE_PATHS is set.
type bakeBase struct{ file string }

// setBases remembers the file of the paths that a block writes.
func (l *bakeLoader) setBases(c *bakeCell, a *hhcl.Attribute, v *bakeValue) {
	if !l.env.on("BUILDX_BAKE_FILE_RELATIVE_PATHS") || c.block.typ != "target" {
		return
	}
	base := &bakeBase{c.block.file.Name}
	switch a.Name {
	case "context":
		v.base = base
		if tr, ds := hhcl.AbsTraversalForExpr(a.Expr); !ds.HasErrors() && len(tr) == 3 && tr.RootName() == "target" && step(tr, 2) == "context" {
			v.sayRef = step(tr, 1)
		}
	case "contexts":
		v.bases = map[string]*bakeBase{}
		for k := range v.keys {
			v.bases[k] = base
		}
	}
}

// rebase makes the paths of all targets relative to their files, if asked for.
func (l *bakeLoader) rebase() {
	if !l.env.on("BUILDX_BAKE_FILE_RELATIVE_PATHS") {
		return
	}
	for _, t := range l.targets {
		if v := t.values["context"]; v != nil {
			base := v.base
			if ref := l.byTarget[v.sayRef]; ref != nil {
				if rv := ref.values["context"]; rv != nil {
					base = rv.base
				} else if ref.hasBase {
					base = &bakeBase{ref.base}
				}
			}
			if base != nil {
				c := *v
				c.text, c.base = l.below(base.file, v.text), base
				t.values["context"] = &c
			}
		}
		if v := t.values["contexts"]; v != nil {
			c := *v
			c.keys = map[string]*string{}
			for k, s := range v.keys {
				if b := v.bases[k]; b != nil && s != nil {
					p := l.below(b.file, *s)
					s = &p
				}
				c.keys[k] = s
			}
			t.values["contexts"] = &c
		}
	}
}

// below is the path p of a file that stands in the folder of the file name.
func (l *bakeLoader) below(name, p string) string {
	if name == "" || name == "-" || p == "" || filepath.IsAbs(p) || special(p) {
		return p
	}
	return filepath.Join(filepath.Dir(name), filepath.FromSlash(p))
}
