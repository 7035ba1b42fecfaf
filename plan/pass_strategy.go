package plan

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// chooseStrategy decides for each target which of its stages are pinned to the build platform, over all platforms it is
// declared for, so that asking for one of them gives the same Dockerfile.
func (p *planner) chooseStrategy() {
	decided := map[string]*decision{}
	for _, b := range p.builds {
		b.lines = nil
		s := p.strategy(b.values)
		if b.file == nil || s != schema.Cross && s != schema.Auto {
			continue
		}
		key := fmt.Sprint(b.target.Name, "\x00", b.key, "\x00", b.values.Stage, "\x00", s)
		d := decided[key]
		if d == nil {
			d = p.decide(b, s)
			decided[key] = d
		}
		b.final, b.lines, b.crossed, b.tried = d.file, d.lines, d.crossed, d.tried
		b.built, b.caches = d.built, d.caches
	}
	p.stop = p.stop || p.diags.HasErrors()
}

// decision is what becomes of one Dockerfile for one target.
type decision struct {
	file    *dockerfile.File
	lines   []int
	built   string
	caches  map[int]string
	crossed map[int]bool
	tried   map[int][]Attempt
}

func (p *planner) decide(b *build, s schema.Strategy) *decision {
	d := &decision{file: b.file, crossed: map[int]bool{}, tried: map[int][]Attempt{}}
	in := dockerfile.CrossInput{Build: p.native(), Foreign: p.foreign, Offers: p.offers}
	for _, q := range p.declared(b) {
		if g := p.resolve(b, b.file, q); g != nil {
			in.Graphs = append(in.Graphs, g)
		}
	}
	if p.diags.HasErrors() {
		return d
	}
	var sound []dockerfile.Group
	for _, g := range dockerfile.Groups(in) {
		if g.Sound() {
			sound = append(sound, g)
			for _, i := range g.Stages {
				d.crossed[i] = true
			}
			continue
		}
		for _, i := range g.Stages {
			for _, pr := range g.Problems {
				d.tried[i] = append(d.tried[i], Attempt{Strategy: schema.Cross, Code: pr.Code, Reason: pr.Reason, At: fmt.Sprintf("%s:%d", b.file.Path, pr.Line)})
			}
		}
		// What is shipped always stays on the target platform; that alone is no reason to refuse.
		if pr := g.Problems[0]; s == schema.Cross && pr.Code != "final-run" {
			p.refuse(b, g)
		}
	}
	if len(sound) == 0 {
		return d
	}
	scope := ""
	if !b.values.NoRecipeCache {
		scope = p.cfg.Dir + "\x00" + p.native().String()
	}
	rw := b.file.Cross(in, sound, scope)
	file, diags := dockerfile.Parse(b.file.Path, []byte(rw.Text))
	if diags.HasErrors() { // inserting valid lines into a valid file cannot fail; if it does, leave the file alone
		p.diags = p.diags.Errorf("rewrite-failed", diag.LineRange(b.file.Path, 0), "The Dockerfile cannot be rewritten",
			"%v. This is a bug in xbuild.", diags[0].Detail)
		return d
	}
	d.file, d.lines = file, rw.Lines
	if len(rw.Caches) > 0 {
		d.built, d.caches = rw.Built, rw.Caches
	}
	return d
}

// declared are all platforms of the target that are built from the same file and stage, and the one asked for.
func (p *planner) declared(b *build) []schema.Platform {
	var out []schema.Platform
	for _, q := range b.target.Platforms {
		v := b.target.On(q)
		if FileKey(v) == b.key && v.Stage == b.values.Stage {
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
	d.Related = append(d.Related, diag.Related{Range: *b.target.At("strategy"), Message: "target " + b.target.Name + ` has strategy "cross"`})
	p.diags = append(p.diags, d)
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
