package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// selectTargets turns the requested names into builds: one a target and platform, linked targets before their users.
func (p *planner) selectTargets() {
	want := p.requested()
	if p.diags.HasErrors() {
		p.stop = true
		return
	}
	done := map[string]bool{}
	for _, t := range p.cfg.Targets {
		p.addRequested(t, want, done, nil)
	}
	if p.diags.HasErrors() {
		p.stop = true
		return
	}
	p.addTargets()
}

// addRequested adds the builds of a requested target, after those of the targets that it waits for, which are requested
// by that.
func (p *planner) addRequested(t *schema.Target, want map[string][]schema.Platform, done map[string]bool, via []string) {
	if len(want[t.Name]) == 0 {
		return
	}
	if slices.Contains(via, t.Name) {
		p.diags = p.diags.Errorf("order-cycle", t.At("depends_on"), "Targets wait for each other in a circle", "%s.", strings.Join(append(via, t.Name), " -> "))
		return
	}
	if done[t.Name] {
		return
	}
	for _, name := range t.DependsOn {
		d := p.targets[name]
		if d == nil {
			continue // the front end has told
		}
		if len(want[name]) == 0 {
			want[name] = p.platforms(d, nil)
		}
		p.addRequested(d, want, done, append(slices.Clone(via), t.Name))
	}
	done[t.Name] = true
	for _, pl := range want[t.Name] {
		p.addBuild(t, pl, true, nil)
	}
}

// requested maps target names to the platforms to build.
func (p *planner) requested() map[string][]schema.Platform {
	names := p.req.Targets
	if len(names) == 0 {
		names = []string{"default"}
	}
	if slices.Equal(names, []string{"default"}) {
		if r := p.cfg.Requested; r != nil && len(r) == 0 {
			return nil // a group without members, as of compose files without a build: nothing to do, as in Bake
		}
	}
	if len(p.req.Targets) == 0 {
		if p.targets["default"] == nil && p.groups["default"] == nil {
			p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Error, Code: "no-default", Summary: "No target is named, and there is no default",
				Detail: "The build file has neither a target nor a group \"default\".", Advice: "name one of: " + strings.Join(p.names(), ", ")})
			return nil
		}
	}
	want := map[string][]schema.Platform{}
	for _, arg := range names {
		name, at, only := strings.Cut(arg, "@")
		var pick []schema.Platform
		if only {
			q, err := schema.ParsePlatform(at)
			if err != nil {
				p.diags = p.diags.Errorf("bad-platform", nil, "The platform of a target is not valid", "%s: %v.", arg, err)
				continue
			}
			pick = []schema.Platform{q}
		} else {
			pick = p.req.Platforms
		}
		targets := p.expand(name, nil)
		for _, t := range targets {
			for _, q := range p.platforms(t, pick) {
				if !slices.Contains(want[t.Name], q) {
					want[t.Name] = append(want[t.Name], q)
				}
			}
		}
	}
	return want
}

func (p *planner) names() []string {
	var out []string
	for _, g := range p.cfg.Groups {
		out = append(out, g.Name)
	}
	for _, t := range p.cfg.Targets {
		out = append(out, t.Name)
	}
	return out
}

// expand resolves a name to targets; via are the groups it was reached through.
func (p *planner) expand(name string, via []string) []*schema.Target {
	if g := p.groups[name]; g != nil && !slices.Contains(via, name) {
		var out []*schema.Target
		for _, m := range g.Members {
			out = append(out, p.expand(m, append(via, name))...)
		}
		return out
	}
	if t := p.targets[name]; t != nil {
		return []*schema.Target{t}
	}
	d := diag.Diagnostic{Severity: diag.Error, Code: "unknown-target", Summary: "There is no such target",
		Detail: fmt.Sprintf("%q is neither a target nor a group of %s.", name, strings.Join(p.cfg.Files, ", ")),
		Advice: "name one of: " + strings.Join(p.names(), ", ")}
	if s := schema.Suggest(name, p.names()); s != "" {
		d.Advice = fmt.Sprintf("did you mean %q?", s)
	}
	p.diags = append(p.diags, d)
	return nil
}

// platforms are the declared platforms of a target, or those of pick that are declared.
func (p *planner) platforms(t *schema.Target, pick []schema.Platform) []schema.Platform {
	declared := t.Platforms
	if len(declared) == 0 {
		if len(pick) > 0 {
			return pick
		}
		return []schema.Platform{p.native()}
	}
	if len(pick) == 0 {
		return declared
	}
	var out []schema.Platform
	for _, q := range pick {
		if !slices.Contains(declared, q) {
			p.diags = p.diags.Errorf("platform-not-declared", t.At("platforms"), "The target is not declared for this platform",
				"%s is asked for %s, but is declared for %s.", t.Name, q, join(declared))
			continue
		}
		out = append(out, q)
	}
	return out
}

func join(ps []schema.Platform) string {
	var s []string
	for _, q := range ps {
		s = append(s, q.String())
	}
	return strings.Join(s, ", ")
}

// addBuild adds the build of t for q, after the builds that it links to. via spells out the links for a cycle.
func (p *planner) addBuild(t *schema.Target, q schema.Platform, requested bool, via []string) Use {
	use := Use{t.Name, q.String()}
	if b := p.byUse[use]; b != nil {
		b.requested = b.requested || requested
		return use
	}
	if slices.Contains(via, t.Name) {
		p.diags = p.diags.Errorf("link-cycle", t.At("contexts"), "Targets link to each other in a circle",
			"%s.", strings.Join(append(via, t.Name), " -> "))
		return use
	}
	b := &build{target: t, platform: q, values: t.On(q), requested: requested, links: map[string]Use{}, crossed: map[int]bool{}, tried: map[int][]Attempt{}, on: p.hub()}
	for _, name := range sortedKeys(b.values.Contexts) {
		link, ok := schema.ParseRef(b.values.Contexts[name]).Linked()
		if !ok {
			continue
		}
		lt := p.targets[link]
		if lt == nil {
			continue // the front end has told
		}
		lq, ok := linkPlatform(lt, q)
		if !ok {
			p.diags = p.diags.Errorf("link-platform", t.At("contexts"), "A linked target lacks a platform",
				"%s is built for %s and uses %s, which is declared for %s.", t.Name, q, link, join(lt.Platforms))
			continue
		}
		b.links[name] = p.addBuild(lt, lq, false, append(via, t.Name))
	}
	p.builds = append(p.builds, b)
	p.byUse[use] = b
	return use
}

// linkPlatform is the platform of a linked target that serves q: the same one, or its only one.
func linkPlatform(t *schema.Target, q schema.Platform) (schema.Platform, bool) {
	switch {
	case len(t.Platforms) == 0 || slices.Contains(t.Platforms, q):
		return q, true
	case len(t.Platforms) == 1:
		return t.Platforms[0], true
	}
	return q, false
}

// addTargets makes the public entries of the targets that have builds.
func (p *planner) addTargets() {
	builds, missing := map[*schema.Target][]*build{}, map[*schema.Target][]*build{}
	for _, b := range p.builds {
		builds[b.target] = append(builds[b.target], b)
	}
	for b := range p.blocked {
		if b.requested {
			missing[b.target] = append(missing[b.target], b)
		}
	}
	p.plan.Targets = []Target{}
	for _, t := range p.cfg.Targets {
		if len(builds[t])+len(missing[t]) > 0 {
			p.plan.Targets = append(p.plan.Targets, p.publicTarget(t, builds[t], missing[t]))
		}
	}
}

func (p *planner) publicTarget(t *schema.Target, builds, missing []*build) Target {
	e := Target{Name: t.Name, Platforms: []string{}, Optional: []string{}, Missing: p.missing(t, missing), Tags: []string{}, Outputs: []Output{},
		Strategy: p.strategy(&t.Base), Declared: len(t.Platforms), Bake: p.cfg.Bake(), Range: t.Range}
	for _, b := range builds {
		e.Platforms = append(e.Platforms, b.platform.String())
		e.Requested = e.Requested || b.requested
		e.Strategy, e.StrategyAt = p.strategy(b.values), nil
		if block := p.block(b.values); block != nil {
			e.StrategyAt = &block.Range
		}
		if b.values.Optional {
			e.Optional = append(e.Optional, b.platform.String())
		}
		for _, tag := range b.values.Tags {
			if !slices.Contains(e.Tags, tag) {
				e.Tags = append(e.Tags, tag)
			}
		}
		for _, o := range b.values.Outputs {
			out := Output{Type: o.Type, Dest: o.Dest, Push: o.Push, Attrs: o.Attrs}
			if t.PerPlatform != nil && !sameOutputs(t) {
				out.Platform = b.platform.String()
			}
			if !slices.ContainsFunc(e.Outputs, func(x Output) bool { return x.Type == out.Type && x.Dest == out.Dest && x.Platform == out.Platform }) {
				e.Outputs = append(e.Outputs, out)
			}
		}
	}
	return e
}

// sameOutputs reports whether every platform of the target has the same outputs.
func sameOutputs(t *schema.Target) bool {
	for _, b := range t.PerPlatform {
		if !slices.EqualFunc(b.Outputs, t.Base.Outputs, func(x, y schema.Output) bool { return x.Type == y.Type && x.Dest == y.Dest }) {
			return false
		}
	}
	return true
}
