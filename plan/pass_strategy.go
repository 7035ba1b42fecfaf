package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/parallel"
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
	var order []*decision
	of := map[*build]*decision{}
	for _, b := range p.builds {
		if b.file == nil || !p.editsFile(b) {
			continue
		}
		key := strings.Join([]string{b.target.Name, b.key, b.values.Stage, string(p.strategy(b.values))}, "\x00")
		d := decided[key]
		if d == nil { // another target may have the same Dockerfile and the same values
			content := p.decisionKey(b)
			if d = decided[content]; d != nil {
				decided[key] = d
				of[b] = d
				continue
			}
			d = &decision{build: b, file: b.file, checked: map[int]string{}, crossed: map[int]bool{}, vouched: map[int]dockerfile.Vouch{}, tried: map[int][]Attempt{}}
			decided[key], decided[content] = d, d
			order = append(order, d)
		}
		of[b] = d
	}
	parallel.Each(len(order), func(i int) { p.decide(order[i]) })
	p.parseRewritten(order)
	for _, d := range order {
		p.diags = append(p.diags, d.diags...)
	}
	for _, b := range p.builds {
		d := of[b]
		if d == nil {
			continue
		}
		b.final, b.lines, b.crossed, b.vouched, b.tried = d.file, d.lines, d.crossed, d.vouched, d.tried
		b.built, b.caches, b.args, b.advice = d.built, d.caches, d.args, d.advice
		b.shown, b.wrapped, b.checked = d.shown, d.wrapped, d.checked
	}
	p.checkPatterns()
	p.stop = p.stop || p.diags.HasErrors()
}

// decisionKey is equal for builds that are decided about on the same grounds.
func (p *planner) decisionKey(b *build) string {
	k := []string{"", b.key, b.opaque, b.frontend, string(p.strategy(b.values)), fmt.Sprint(b.values.NoRecipeCache), fmt.Sprint(p.facts.Files[ContextOf(b.values)])}
	for _, q := range p.declared(b) {
		v, args := b.given(b.file, q)
		k = append(k, b.envKey(v, args, q))
	}
	return strings.Join(k, "\x00")
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
	build *build // the first one that it is for
	diags diag.List
	// text is that of the rewritten file, "" if it is not. shown is the part of it that may stay in the file.
	text    string
	shown   string
	wrapped []int
	checked map[int]string // why the stages of this index are crossed on the evidence of their result
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

// decide fills a decision. It changes nothing else.
func (p *planner) decide(d *decision) {
	b := d.build
	in := dockerfile.CrossInput{Build: p.native(), Foreign: p.toCross, Offers: p.offers}
	for _, q := range p.declared(b) {
		g, diags := p.resolved(b, b.file, q)
		d.diags = append(d.diags, diags...)
		if g != nil {
			in.Graphs = append(in.Graphs, g)
		}
	}
	if d.diags.HasErrors() {
		return
	}
	p.look(b, &in)
	p.vouch(b, &in)
	modes := p.modes(b.values)
	strict := modes[len(modes)-1] == schema.Cross
	var sound, proven []dockerfile.Group
	for _, g := range dockerfile.Groups(in) {
		if p.block(b.values) == nil {
			d.advice = append(d.advice, dockerfile.Advise(in, g)...)
		}
		if g.Checked && p.mayCheck(modes) {
			sound = append(sound, g)
			for _, i := range g.Stages {
				d.crossed[i], d.checked[i] = true, g.Problems[0].Reason
			}
			continue
		}
		if g.Sound() {
			proven = append(proven, g)
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
		// What is shipped always stays on the target platform; that alone is no reason to refuse.
		if pr := g.Problems[0]; strict && pr.Code != "final-run" {
			d.diags = append(d.diags, p.refusal(b, g))
		}
	}
	if len(sound) == 0 {
		return
	}
	scope := ""
	if !b.values.NoRecipeCache {
		scope = p.cfg.Dir + "\x00" + p.native().String()
	}
	rw := b.file.Cross(in, sound, scope)
	d.text, d.lines, d.args, d.wrapped = rw.Text, rw.Lines, rw.Args, rw.Wrapped
	switch {
	case len(proven) == len(sound):
		d.shown = d.text
	case len(proven) > 0:
		d.shown = b.file.Cross(in, proven, "").Text
	}
	if len(rw.Caches) > 0 {
		d.built, d.caches = rw.Built, rw.Caches
	}
}

// mayCheck reports whether stages may be crossed on the evidence of their result: emulation has to be a way for the strategy,
// since it is what is left if the evidence is against it.
func (p *planner) mayCheck(modes []schema.Strategy) bool {
	i := slices.Index(modes, schema.Cross)
	return !p.proofOnly && i >= 0 && slices.Contains(modes[i:], schema.Emulate)
}

// look adds what the files of the build's context say, with their places as a user would name them.
func (p *planner) look(b *build, in *dockerfile.CrossInput) {
	c := ContextOf(b.values)
	fact := p.facts.Files[c]
	name := func(at string) string {
		return strings.TrimPrefix(path.Join(c.Dir, at), strings.TrimSuffix(p.cfg.Dir, "/")+"/")
	}
	if in.UsesC == "" && fact.UsesC != "" {
		in.UsesC = name(fact.UsesC)
	}
	in.Files = fact.Scripts
	if in.Probe == "" && fact.Probe != "" {
		in.Probe = fmt.Sprintf("%s asks %s", name(fact.Probe), fact.ProbeWhat)
	}
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

// parseRewritten reads the rewritten files, each once: targets that use one Dockerfile are often given the same text.
func (p *planner) parseRewritten(decisions []*decision) {
	type rewritten struct {
		of    *decision // the first one
		file  *dockerfile.File
		diags diag.List
	}
	byText := map[[2]string]int{}
	var files []rewritten
	for _, d := range decisions {
		key := [2]string{d.build.file.Path, d.text}
		if _, known := byText[key]; d.text != "" && !known {
			byText[key] = len(files)
			files = append(files, rewritten{of: d})
		}
	}
	parallel.Each(len(files), func(i int) {
		f := &files[i]
		f.file, f.diags = dockerfile.Parse(f.of.build.file.Path, []byte(f.of.text))
	})
	for _, d := range decisions {
		if d.text == "" {
			continue
		}
		f := files[byText[[2]string{d.build.file.Path, d.text}]]
		if f.diags.HasErrors() {
			d.diags = append(d.diags, p.badRewrite(d, f.diags[0].Detail))
			d.lines, d.built, d.caches, d.args = nil, "", nil, nil
			continue
		}
		d.file = f.file
	}
}

// badRewrite says that the rewritten file is none: the commands of a strategy block are the only text that is not xbuild's own.
func (p *planner) badRewrite(d *decision, detail string) diag.Diagnostic {
	x := diag.Diagnostic{Severity: diag.Error, Code: "rewrite-failed", Summary: "The Dockerfile cannot be rewritten",
		Subject: diag.LineRange(d.build.file.Path, 0), Detail: strings.TrimSuffix(detail, ".") + ". This is a bug in xbuild."}
	if s := p.block(d.build.values); s != nil && len(d.vouched) > 0 {
		x.Subject, x.Detail, x.Advice = s.At("run_before"), detail, "write the commands of run_before as they would stand after RUN"
	}
	return x
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

// refusal turns an unsound group under the strategy cross into an error with every reason.
func (p *planner) refusal(b *build, g dockerfile.Group) diag.Diagnostic {
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
	return d
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
	have := p.offered[ref]
	return serve(have, p.native()), len(have) > 0
}

// serve reports whether an image for these platforms can be used as one for q.
func serve(have []schema.Platform, q schema.Platform) bool {
	return slices.ContainsFunc(have, func(h schema.Platform) bool { return h == q || q.Takes(h) })
}
