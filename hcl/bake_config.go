package hcl

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// bakeConfig makes the result of Load from what a command line asks for.
func (l *bakeLoader) bakeConfig(res *bakeResult, asked []string) *schema.Config {
	cfg := &schema.Config{Dir: l.env.Dir, Sources: l.sources, Variables: l.bakeVariables(), Requested: asked}
	for _, f := range l.files {
		cfg.Files = append(cfg.Files, f.Name)
	}
	for _, declared := range l.targets {
		if t := res.targets[declared.name]; t != nil {
			c := configurer{l, t, &schema.Build{Strategy: schema.AsWritten}}
			cfg.Targets = append(cfg.Targets, c.target())
		}
	}
	if usesCaches(cfg.Targets) {
		cfg.CacheWriters = l.cacheWriters()
	}
	return cfg
}

// configurer makes a schema.Target of a checked Bake target.
type configurer struct {
	*bakeLoader
	t   *bakeTarget
	out *schema.Build
}

func (c configurer) target() *schema.Target {
	t := &schema.Target{Name: c.t.name, Range: c.t.at, Ranges: map[string]diag.Range{}}
	t.Description, _ = c.t.text("description")
	for name, v := range c.t.values {
		if v.at != nil {
			t.Ranges[name] = *v.at
		}
	}
	t.Platforms = c.platforms()
	c.source()
	c.options()
	c.outputs()
	c.entries()
	t.Base = *c.out
	return t
}

func (c configurer) bad(attr, code, summary, advice, detail string, args ...any) {
	checker{c.bakeLoader, c.t}.badAdvice(attr, code, summary, advice, detail, args...)
}

func (c configurer) platforms() []schema.Platform {
	var out []schema.Platform
	for _, s := range c.t.list("platforms") {
		for _, one := range strings.Split(s, ",") {
			if strings.EqualFold(one, "local") {
				one = c.env.LocalPlatform
			}
			p, err := schema.ParsePlatform(one)
			if err != nil {
				c.bad("platforms", codeBadPlatform, "Bad platform", "", "%v.", err)
				continue
			}
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// source sets where the build reads from. Paths are relative to the working directory; that of the Dockerfile is
// relative to the context.
func (c configurer) source() {
	ctx, _ := c.t.text("context")
	local := !schema.ParseRef(ctx).Remote()
	if c.out.Context = ctx; local {
		c.out.Context = resolvePath(ctx, c.env.Dir)
	}
	file, _ := c.t.text("dockerfile")
	switch p, cwd := schema.CutWorkingDir(file); {
	case cwd:
		c.out.Dockerfile = resolvePath(p, c.env.Dir)
	case local && !schema.ParseRef(file).Remote():
		c.out.Dockerfile = resolvePath(file, c.out.Context)
	default:
		c.out.Dockerfile = file
	}
	c.out.DockerfileInline, _ = c.t.text("dockerfile-inline")
	c.out.Stage, _ = c.t.text("target")
	v := c.t.values["contexts"]
	if v == nil {
		return
	}
	c.out.Contexts = map[string]string{}
	for k, s := range v.keys {
		p, err := c.env.Source.NamedContext(*s)
		if err != nil {
			c.bad("contexts", codeBadContext, "Bad context", "", "%s: %v.", k, err)
		}
		if q, ok := schema.CutWorkingDir(p); ok {
			p = resolvePath(q, c.env.Dir)
		} else if !special(p) {
			p = resolvePath(p, c.env.Dir)
		}
		c.out.Contexts[k] = p
	}
}

func (c configurer) strings(attr string) map[string]string {
	v := c.t.values[attr]
	if v == nil || len(v.keys) == 0 {
		return nil
	}
	out := map[string]string{}
	for k, s := range v.keys {
		out[k] = *s
	}
	return out
}

// options sets the plain attributes.
func (c configurer) options() {
	b := c.out
	b.Args, b.Labels, b.ExtraHosts, b.Resources = c.strings("args"), c.strings("labels"), c.strings("extra-hosts"), c.strings("resources")
	b.Tags, b.NoCacheFilter, b.Ulimits = c.t.list("tags"), c.t.list("no-cache-filter"), c.t.list("ulimits")
	b.Annotations, b.Entitlements = c.t.list("annotations"), c.t.list("entitlements")
	b.Network, _ = c.t.text("network")
	if b.Call, _ = c.t.text("call"); b.Call == "build" {
		b.Call = ""
	}
	if s, ok := c.t.text("shm-size"); ok {
		b.ShmSize, _ = units.RAMInBytes(s) // checked
	}
	for attr, flag := range map[string]*bool{"pull": &b.Pull, "no-cache": &b.NoCache} {
		if v := c.t.values[attr]; v != nil {
			*flag = v.flag
		}
	}
	for k, s := range b.Resources {
		if n, err := units.RAMInBytes(strings.TrimSpace(s)); err == nil && strings.HasPrefix(k, "memory") {
			b.Resources[k] = strconv.FormatInt(n, 10)
		}
	}
	v := checker{c.bakeLoader, c.t}
	for _, tag := range b.Tags {
		v.tag(tag)
	}
}

func (c configurer) outputs() {
	v := c.t.values["output"]
	if v == nil {
		return
	}
	for _, e := range v.entries {
		o, err := schema.NewOutput(maps.Clone(e.fields))
		if err != nil {
			c.bad("output", codeBadOutput, "Bad output", "", "%s.", upperFirst(err.Error()))
			continue
		}
		if o.Dest != "" && o.Dest != "-" {
			o.Dest = resolvePath(o.Dest, c.env.Dir)
		}
		c.out.Outputs = append(c.out.Outputs, o)
	}
}

// entries sets the attributes that are lists of entries.
func (c configurer) entries() {
	of := func(attr string) []bakeEntry {
		if v := c.t.values[attr]; v != nil {
			return v.entries
		}
		return nil
	}
	rest := func(e bakeEntry) map[string]string {
		m := maps.Clone(e.fields)
		delete(m, "type")
		for _, k := range []string{"src", "dest"} {
			if p := m[k]; p != "" && e.fields["type"] == "local" {
				m[k] = resolvePath(p, c.env.Dir)
			}
		}
		return m
	}
	for _, e := range of("cache-from") {
		c.out.CacheFrom = append(c.out.CacheFrom, schema.Cache{Type: e.fields["type"], Attrs: rest(e)})
	}
	for _, e := range of("cache-to") {
		c.out.CacheTo = append(c.out.CacheTo, schema.Cache{Type: e.fields["type"], Attrs: rest(e)})
	}
	for _, e := range of("secret") {
		c.out.Secrets = append(c.out.Secrets, c.secret(e))
	}
	for _, e := range of("ssh") {
		s := schema.SSH{ID: e.fields["id"]}
		if s.ID == "" {
			s.ID = "default"
		}
		for _, p := range e.paths {
			if p != "" {
				s.Paths = append(s.Paths, filepath.Clean(resolvePath(p, c.env.Dir)))
			}
		}
		c.out.SSH = append(c.out.SSH, s)
	}
	for _, e := range of("attest") {
		a := schema.Attest{Type: e.fields["type"], Disabled: e.fields["disabled"] != "", Attrs: rest(e)}
		delete(a.Attrs, "disabled")
		c.out.Attest = append(c.out.Attest, a)
	}
	for _, e := range of("policy") {
		c.policies(e)
	}
}

// secret is where the value of a secret comes from: what is said, else the environment variable or the file of its name.
func (c configurer) secret(e bakeEntry) schema.Secret {
	s := schema.Secret{ID: e.fields["id"], Src: e.fields["src"], Env: e.fields["env"]}
	if s.Src == "" && s.Env == "" {
		if _, ok := c.env.Getenv(s.ID); ok {
			s.Env = s.ID
		} else {
			s.Src = s.ID
		}
	}
	if s.Src != "" {
		s.Src = resolvePath(s.Src, c.env.Dir)
	}
	return s
}

func (c configurer) policies(e bakeEntry) {
	p := schema.Policy{Reset: e.fields["reset"] == "true", Disabled: e.fields["disabled"] == "true", LogLevel: e.fields["log-level"]}
	if s, ok := e.fields["strict"]; ok {
		strict := s == "true"
		p.Strict = &strict
	}
	if len(e.files) == 0 {
		c.out.Policies = append(c.out.Policies, p)
	}
	for _, f := range e.files {
		p.File = f
		c.out.Policies = append(c.out.Policies, p)
	}
}

// bakeVariables lists the variables with their values.
func (l *bakeLoader) bakeVariables() []schema.Variable {
	var out []schema.Variable
	for _, v := range l.variables {
		s := schema.Variable{Name: v.name, Description: v.description, Source: v.source, Range: v.at}
		if val, ok := l.root.Variables[v.name]; ok {
			s.Value = bakeDisplay(val, v.typ, v.typed)
			s.Null = val.IsNull()
		}
		if v.typed {
			s.Type = v.typ.FriendlyNameForConstraint()
		}
		out = append(out, s)
	}
	return out
}
