package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// strategy is what the command line or the build file says.
func (p *planner) strategy(v *schema.Build) schema.Strategy {
	if p.req.Strategy != "" {
		return p.req.Strategy
	}
	return v.Strategy
}

// block is the strategy block that a build uses, or nil.
func (p *planner) block(v *schema.Build) *schema.StrategyBlock {
	return p.cfg.StrategyBlock(p.strategy(v))
}

// modes are what is tried for a build, in order, with auto spelled out.
func (p *planner) modes(v *schema.Build) []schema.Strategy {
	s := []schema.Strategy{p.strategy(v)}
	if b := p.block(v); b != nil {
		s = b.Modes()
	}
	if s[0] == schema.Auto {
		return []schema.Strategy{schema.Cross, schema.Native, schema.Emulate}
	}
	return s
}

// chooseStrategy decides for each target which of its stages are pinned to the build platform, over all platforms it is
// declared for, so that asking for one of them gives the same Dockerfile.
func (p *planner) chooseStrategy() {
	decided := map[string]*decision{}
	for _, b := range p.builds {
		b.lines = nil
		s := p.strategy(b.values)
		if b.file == nil || !p.editsFile(b) {
			continue
		}
		key := fmt.Sprint(b.target.Name, "\x00", b.key, "\x00", b.values.Stage, "\x00", s)
		d := decided[key]
		if d == nil {
			d = p.decide(b)
			decided[key] = d
		}
		b.final, b.lines, b.crossed, b.vouched, b.tried = d.file, d.lines, d.crossed, d.vouched, d.tried
		b.built, b.caches, b.args, b.advice = d.built, d.caches, d.args, d.advice
	}
	p.checkPatterns()
	p.stop = p.stop || p.diags.HasErrors()
}

// editsFile reports whether the strategy of a build may pin stages: cross is among its modes, and nothing that comes before
// it can be used.
func (p *planner) editsFile(b *build) bool {
	modes := p.modes(b.values)
	i := slices.Index(modes, schema.Cross)
	if i <= 0 {
		return i == 0
	}
	g := p.resolve(b, b.file, b.platform)
	if g == nil {
		return false
	}
	foreign := p.foreignRuns(g, b.on)
	return len(foreign) > 0 && !slices.ContainsFunc(modes[:i], func(m schema.Strategy) bool { return p.serves(m, foreign) })
}

// foreignRuns are the platforms of a graph's steps that a node does not execute by itself.
func (p *planner) foreignRuns(g *dockerfile.Graph, on *NodeFact) []schema.Platform {
	var out []schema.Platform
	for i, n := range g.Nodes {
		q := n.Platform
		if n.ScratchPlatform != nil {
			q = *n.ScratchPlatform
		}
		if g.Reached[i] && len(n.Runs) > 0 && !on.native().Executes(q) && !slices.Contains(out, q) {
			out = append(out, q)
		}
	}
	return out
}

// serves reports whether a mode without an edit can run steps for these platforms.
func (p *planner) serves(m schema.Strategy, foreign []schema.Platform) bool {
	switch m {
	case schema.Native:
		return p.executor(foreign) != nil
	case schema.Emulate:
		return p.assumed || !slices.ContainsFunc(foreign, func(q schema.Platform) bool { return !p.hub().lists(q) })
	}
	return m == schema.AsWritten
}

// executor is the first node that executes all of the platforms by itself, or nil.
func (p *planner) executor(platforms []schema.Platform) *NodeFact {
	for i := range p.nodes {
		n := &p.nodes[i]
		if !slices.ContainsFunc(platforms, func(q schema.Platform) bool { return !n.native().Executes(q) }) {
			return n
		}
	}
	return nil
}

// decision is what becomes of one Dockerfile for one target.
type decision struct {
	file    *dockerfile.File
	lines   []int
	built   string
	caches  map[int]string
	crossed map[int]bool
	vouched map[int]dockerfile.Vouch
	tried   map[int][]Attempt
	args    map[schema.Platform]map[string]string
	advice  []dockerfile.Advice
}

func (p *planner) decide(b *build) *decision {
	d := &decision{file: b.file, crossed: map[int]bool{}, vouched: map[int]dockerfile.Vouch{}, tried: map[int][]Attempt{}}
	in := dockerfile.CrossInput{Build: p.native(), Foreign: p.foreign, Offers: p.offers}
	for _, q := range p.declared(b) {
		if g := p.resolve(b, b.file, q); g != nil {
			in.Graphs = append(in.Graphs, g)
		}
	}
	if p.diags.HasErrors() {
		return d
	}
	p.vouch(b, &in)
	modes := p.modes(b.values)
	strict := modes[len(modes)-1] == schema.Cross
	var sound []dockerfile.Group
	for _, g := range dockerfile.Groups(in) {
		if g.Sound() {
			sound = append(sound, g)
			for _, i := range g.Stages {
				d.crossed[i] = true
				if v := in.Vouched[i]; v != "" {
					d.vouched[i] = v
				}
			}
			continue
		}
		for _, i := range g.Stages {
			for _, pr := range g.Problems {
				d.tried[i] = append(d.tried[i], Attempt{Strategy: schema.Cross, Code: pr.Code, Reason: pr.Reason, At: fmt.Sprintf("%s:%d", b.file.Path, pr.Line)})
			}
		}
		if p.block(b.values) == nil {
			d.advice = append(d.advice, dockerfile.Advise(in, g)...)
		}
		// What is shipped always stays on the target platform; that alone is no reason to refuse.
		if pr := g.Problems[0]; strict && pr.Code != "final-run" {
			p.refuse(b, g)
		}
	}
	if len(sound) > 0 {
		p.rewrite(b, d, in, sound)
	}
	return d
}

// vouch adds what the strategy block of the build answers for.
func (p *planner) vouch(b *build, in *dockerfile.CrossInput) {
	block := p.block(b.values)
	if block == nil {
		return
	}
	in.Vouched = map[int]dockerfile.Vouch{}
	for i, st := range b.file.Stages {
		if v := block.Vouches(st.Title()); v != "" {
			in.Vouched[i] = dockerfile.Vouch(v)
		}
	}
	in.Given = dockerfile.Given{Env: map[schema.Platform]map[string]string{}, RunBefore: map[schema.Platform][]string{}}
	for _, g := range in.Graphs {
		v := block.On(g.Target)
		in.Given.Env[g.Target], in.Given.RunBefore[g.Target] = v.Env, v.RunBefore
	}
}

// rewrite pins the sound groups in the decision's file.
func (p *planner) rewrite(b *build, d *decision, in dockerfile.CrossInput, sound []dockerfile.Group) {
	scope := ""
	if !b.values.NoRecipeCache {
		scope = p.cfg.Dir + "\x00" + p.native().String()
	}
	rw := b.file.Cross(in, sound, scope)
	file, diags := dockerfile.Parse(b.file.Path, []byte(rw.Text))
	if diags.HasErrors() {
		x := diag.Diagnostic{Severity: diag.Error, Code: "rewrite-failed", Summary: "The Dockerfile cannot be rewritten",
			Subject: diag.LineRange(b.file.Path, 0), Detail: fmt.Sprintf("%v. This is a bug in xbuild.", strings.TrimSuffix(diags[0].Detail, "."))}
		if s := p.block(b.values); s != nil && len(in.Vouched) > 0 { // the only text that is not xbuild's own
			x.Subject, x.Detail, x.Advice = s.At("run_before"), diags[0].Detail, "write the commands of run_before as they would stand after RUN"
		}
		p.diags = append(p.diags, x)
		return
	}
	d.file, d.lines, d.args = file, rw.Lines, rw.Args
	if len(rw.Caches) > 0 {
		d.built, d.caches = rw.Built, rw.Caches
	}
}

// declared are all platforms of the target that are built from the same file and stage by the same strategy, and the one
// asked for.
func (p *planner) declared(b *build) []schema.Platform {
	var out []schema.Platform
	for _, q := range b.target.Platforms {
		v := b.target.On(q)
		if FileKey(v) == b.key && v.Stage == b.values.Stage && p.strategy(v) == p.strategy(b.values) {
			out = append(out, q)
		}
	}
	if !slices.Contains(out, b.platform) {
		out = append(out, b.platform)
	}
	return out
}

// refuse turns an unsound group under the strategy cross into an error with every reason.
func (p *planner) refuse(b *build, g dockerfile.Group) {
	first := g.Problems[0]
	d := diag.Diagnostic{Severity: diag.Error, Code: "cross-" + first.Code, Summary: "The stage cannot be cross-compiled",
		Subject: diag.LineRange(b.file.Path, first.Line),
		Detail:  fmt.Sprintf("Stage %s: %s.", first.Stage, first.Reason),
		Advice:  `strategy = "auto" uses emulation where cross-compiling is not sound`}
	for _, pr := range g.Problems[1:] {
		d.Related = append(d.Related, diag.Related{Range: *diag.LineRange(b.file.Path, pr.Line), Message: "also: " + pr.Reason})
	}
	d.Related = append(d.Related, p.askedStrategy(b))
	if s := p.block(b.values); s != nil {
		d.Advice = fmt.Sprintf("name the stage in native or fork of strategy %q if you can answer for it, or set fallback", s.Name)
	}
	p.diags = append(p.diags, d)
}

// askedStrategy points at who chose the strategy of a build.
func (p *planner) askedStrategy(b *build) diag.Related {
	if s := p.block(b.values); s != nil {
		return diag.Related{Range: *s.At("mode"), Message: fmt.Sprintf("target %s has strategy %q, whose mode is %s", b.target.Name, s.Name, s.Mode)}
	}
	return diag.Related{Range: *b.target.At("strategy"), Message: fmt.Sprintf("target %s has strategy %q", b.target.Name, p.strategy(b.values))}
}

// checkPatterns warns about patterns of strategy blocks that no stage matches.
func (p *planner) checkPatterns() {
	for _, block := range p.cfg.Strategies {
		var titles []string
		for _, b := range p.builds {
			if b.file == nil || p.block(b.values) != block {
				continue
			}
			for _, st := range b.file.Stages {
				if !slices.Contains(titles, st.Title()) {
					titles = append(titles, st.Title())
				}
			}
		}
		if len(titles) == 0 {
			continue
		}
		for _, list := range []struct {
			attr     string
			patterns []string
		}{{"native", block.Native}, {"fork", block.Fork}} {
			for _, pattern := range list.patterns {
				one := schema.StrategyBlock{Native: []string{pattern}}
				if slices.ContainsFunc(titles, func(t string) bool { return one.Vouches(t) != "" }) {
					continue
				}
				d := diag.Diagnostic{Severity: diag.Warning, Code: "no-such-stage", Summary: "A strategy names a stage that is not there", Subject: block.At(list.attr),
					Detail: fmt.Sprintf("No stage that is built with strategy %q matches %q; there is %s.", block.Name, pattern, strings.Join(titles, ", "))}
				if s := schema.Suggest(pattern, titles); s != "" {
					d.Advice = fmt.Sprintf("did you mean %q?", s)
				}
				p.diags = append(p.diags, d)
			}
		}
	}
}

// offers reports whether an image exists for the build platform, as far as is known.
func (p *planner) offers(ref string) (offers, known bool) {
	img, ok := p.facts.Images[ref]
	if !ok || len(img.Platforms) == 0 {
		return false, false
	}
	return imageServes(img.Platforms, p.native()), true
}

// imageServes reports whether an image with these platforms can be used as one for q.
func imageServes(have []string, q schema.Platform) bool {
	return slices.ContainsFunc(have, func(s string) bool {
		h, err := schema.ParsePlatform(s)
		return err == nil && q.Takes(h)
	})
}
