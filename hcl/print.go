package hcl

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// printXbuild gives a build of xbuild's dialect as Bake's JSON. Paths are absolute, since they are relative to files
// that the output does not name; what differs between platforms stands under "platform".
func printXbuild(files []*File, env Env) ([]byte, diag.Sources, diag.List) {
	names := env.Targets
	if len(names) == 0 {
		names = []string{"default"}
	}
	env.Targets = names
	cfg, ds := Load(files, env)
	if ds.HasErrors() {
		return nil, cfg.Sources, ds
	}
	p := pick(cfg, names)
	if ds = append(ds, p.list...); ds.HasErrors() {
		return nil, cfg.Sources, ds.Sorted()
	}
	p.res.addDefault(p.asked)
	return p.res.json(), cfg.Sources, ds
}

// pick finds what the names of a command line stand for.
func pick(cfg *schema.Config, names []string) *printer {
	p := &printer{groups: map[string]*schema.Group{}, targets: map[string]*schema.Target{}, res: &bakeResult{targets: map[string]*bakeTarget{}, groups: map[string]*bakeGroup{}}}
	for _, g := range cfg.Groups {
		p.groups[g.Name] = g
		p.names = append(p.names, g.Name)
	}
	for _, t := range cfg.Targets {
		p.targets[t.Name] = t
		p.names = append(p.names, t.Name)
	}
	cfg.Sources[argText] = []byte(strings.Join(names, " "))
	off := 0
	for _, name := range names {
		p.add(name, rangeIn(argText, cfg.Sources[argText], off, off+len(name)))
		off += len(name) + 1
	}
	return p
}

// printer collects what a command line asks for of a build in xbuild's dialect.
type printer struct {
	reporter
	groups  map[string]*schema.Group
	targets map[string]*schema.Target
	names   []string // of groups, then of targets
	res     *bakeResult
	asked   []askedName
}

// add adds a target or group that the command line names.
func (p *printer) add(name string, at diag.Range) {
	if p.groups[name] == nil && p.targets[name] == nil {
		p.errorf(codeUnknownTarget, at, "Unknown target", oneOf(name, p.names), "There is no target and no group %q.", name)
		return
	}
	p.asked = append(p.asked, askedName{name, at})
	p.reach(name)
}

// reach adds what a target or group stands for and needs.
func (p *printer) reach(name string) {
	if g := p.groups[name]; g != nil {
		if p.res.groups[name] == nil {
			p.res.groups[name] = &bakeGroup{name: name, description: g.Description, targets: g.Members, hasTargets: true}
			for _, m := range g.Members {
				p.reach(m)
			}
		}
		return
	}
	t := p.targets[name]
	if t == nil || p.res.targets[name] != nil {
		return
	}
	p.res.targets[name] = printed(t)
	for _, s := range t.Base.Contexts {
		if need, ok := schema.ParseRef(s).Linked(); ok {
			p.reach(need)
		}
	}
	for _, b := range t.PerPlatform {
		for _, s := range b.Contexts {
			if need, ok := schema.ParseRef(s).Linked(); ok {
				p.reach(need)
			}
		}
	}
}

// printed is a target of xbuild's dialect in the form in which Bake's are printed.
func printed(t *schema.Target) *bakeTarget {
	out := &bakeTarget{name: t.Name, at: t.Range, values: printedValues(&t.Base)}
	if t.Description != "" {
		out.values["description"] = &bakeValue{text: t.Description}
	}
	var ps []string
	for _, p := range t.Platforms {
		ps = append(ps, p.String())
	}
	out.values["platforms"] = &bakeValue{list: ps}
	if t.PerPlatform == nil {
		return out
	}
	perPlatform := map[string]map[string]*bakeValue{}
	for p, b := range t.PerPlatform {
		perPlatform[p.String()] = printedValues(b)
	}
	// What is the same on every platform is said once.
	for _, a := range language.Block("target").Attributes {
		var all []*bakeValue
		for _, vs := range perPlatform {
			all = append(all, vs[a.Name])
		}
		if slices.ContainsFunc(all, func(v *bakeValue) bool { return !sameValue(v, all[0]) }) {
			delete(out.values, a.Name)
			continue
		}
		if all[0] != nil {
			out.values[a.Name] = all[0]
		}
		for _, vs := range perPlatform {
			delete(vs, a.Name)
		}
	}
	out.perPlatform = perPlatform
	return out
}

func sameValue(a, b *bakeValue) bool {
	if a == nil || b == nil {
		return a == b
	}
	same := func(x, y *string) bool { return x == y || x != nil && y != nil && *x == *y }
	return a.text == b.text && a.flag == b.flag && slices.Equal(a.list, b.list) && maps.EqualFunc(a.keys, b.keys, same) &&
		slices.EqualFunc(a.entries, b.entries, bakeEntry.equal)
}

// printedValues is what a target says about one platform.
func printedValues(b *schema.Build) map[string]*bakeValue {
	out := map[string]*bakeValue{}
	text := func(name, s string) {
		if s != "" {
			out[name] = &bakeValue{text: s}
		}
	}
	keys := func(name string, m map[string]string) {
		v := &bakeValue{keys: map[string]*string{}}
		for k, s := range m {
			v.keys[k] = &s
		}
		out[name] = v
	}
	text("context", b.Context)
	if text("dockerfile-inline", b.DockerfileInline); b.DockerfileInline == "" {
		text("dockerfile", b.Dockerfile)
	}
	text("target", b.Stage)
	text("strategy", string(b.Strategy))
	keys("contexts", b.Contexts)
	keys("args", b.Args)
	for _, k := range b.SensitiveArgs {
		hidden := "(sensitive)"
		out["args"].keys[k] = &hidden
	}
	keys("labels", b.Labels)
	out["tags"] = &bakeValue{list: b.Tags}
	if b.NoCache {
		out["no-cache"] = &bakeValue{flag: true}
	}
	if b.NoRecipeCache {
		out["recipe_cache"] = &bakeValue{flag: false}
	}
	v := &bakeValue{}
	for _, o := range b.Outputs {
		e := bakeEntry{fields: map[string]string{"type": string(o.Type)}}
		maps.Copy(e.fields, o.Attrs)
		if o.Dest != "" {
			e.fields["dest"] = o.Dest
		}
		if o.Type == schema.OutputImage {
			e.fields[keyPush] = strconv.FormatBool(o.Push)
		}
		v.entries = append(v.entries, e)
	}
	out["output"] = v
	printedOptions(b, out)
	return out
}

// printedOptions adds what a target says about how it is run.
func printedOptions(b *schema.Build, out map[string]*bakeValue) {
	list := func(name string, l []string) {
		if len(l) > 0 {
			out[name] = &bakeValue{list: l}
		}
	}
	list("annotations", b.Annotations)
	list("no-cache-filter", b.NoCacheFilter)
	list("ulimits", b.Ulimits)
	list("entitlements", b.Entitlements)
	printedEntries(b, out)
	for name, m := range map[string]map[string]string{"resources": b.Resources, "extra-hosts": b.ExtraHosts} {
		if len(m) == 0 {
			continue
		}
		v := &bakeValue{keys: map[string]*string{}}
		for k, s := range m {
			v.keys[k] = &s
		}
		out[name] = v
	}
	if b.Network != "" {
		out["network"] = &bakeValue{text: b.Network}
	}
	if b.ShmSize > 0 {
		out["shm-size"] = &bakeValue{text: strconv.FormatInt(b.ShmSize, 10)}
	}
	if b.Call != "" {
		out["call"] = &bakeValue{text: b.Call}
	}
	if b.Pull {
		out["pull"] = &bakeValue{flag: true}
	}
}

// printedEntries adds the lists of caches, secrets, ... of a target.
func printedEntries(b *schema.Build, out map[string]*bakeValue) {
	entries := func(name string, n int, at func(int) bakeEntry) {
		if n == 0 {
			return
		}
		v := &bakeValue{}
		for i := range n {
			v.entries = append(v.entries, at(i))
		}
		out[name] = v
	}
	typed := func(typ string, attrs map[string]string) bakeEntry {
		e := bakeEntry{fields: map[string]string{"type": typ}}
		maps.Copy(e.fields, attrs)
		return e
	}
	entries("cache-from", len(b.CacheFrom), func(i int) bakeEntry { return typed(b.CacheFrom[i].Type, b.CacheFrom[i].Attrs) })
	entries("cache-to", len(b.CacheTo), func(i int) bakeEntry { return typed(b.CacheTo[i].Type, b.CacheTo[i].Attrs) })
	entries("attest", len(b.Attest), func(i int) bakeEntry {
		e := typed(b.Attest[i].Type, b.Attest[i].Attrs)
		if b.Attest[i].Disabled {
			e.fields["disabled"] = "true"
		}
		return e
	})
	entries("secret", len(b.Secrets), func(i int) bakeEntry {
		e := bakeEntry{fields: map[string]string{"id": b.Secrets[i].ID, "src": b.Secrets[i].Src, "env": b.Secrets[i].Env}}
		maps.DeleteFunc(e.fields, func(_, v string) bool { return v == "" })
		return e
	})
	entries("ssh", len(b.SSH), func(i int) bakeEntry {
		return bakeEntry{fields: map[string]string{"id": b.SSH[i].ID}, paths: b.SSH[i].Paths}
	})
}
