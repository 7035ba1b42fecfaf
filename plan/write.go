package plan

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// Edit is a change to a Dockerfile that may stay in it.
type Edit struct {
	// File is the absolute path, Path the name for people.
	File, Path string
	// Text is the file as it is, New as it should be; equal if there is nothing to change.
	Text, New string
	// Pinned are the stages whose base is pinned to the build platform.
	Pinned []string
	// Kept are the stages that would have something to gain but are left alone, each with its reason.
	Kept []Attempt
	// Suggestions are the strategy blocks that vouch for stages which a run cross-compiles, but only on the evidence of their
	// result, so that the file is not changed for them.
	Suggestions []Suggestion
}

// Edits asks of every Dockerfile of the requested targets which stages can be cross-compiled, for all stages of the file
// and all targets of the build file that use it: the change is for everyone who builds from it. Inline and remote
// Dockerfiles are left out; [NotEditable] reports them. Like [Make] it is pure.
func Edits(cfg *schema.Config, req Request, facts Facts) ([]Edit, diag.List) {
	p := newPlanner(cfg, req, facts)
	p.selectTargets()
	var keys []string
	for _, b := range p.builds {
		if b.requested && slices.Contains(p.modes(b.values), schema.Cross) && editable(b.values) {
			if k := FileKey(b.values); !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	if p.diags.HasErrors() {
		return nil, p.diags.Sorted()
	}
	var all []string
	for _, t := range cfg.Targets {
		all = append(all, t.Name)
	}
	w := newPlanner(cfg, Request{Targets: all}, facts)
	w.selectTargets()
	w.builds = slices.DeleteFunc(w.builds, func(b *build) bool { return !slices.Contains(keys, FileKey(b.values)) })
	w.readDockerfiles()
	if w.diags.HasErrors() {
		return nil, w.diags.Sorted()
	}
	var out []Edit
	for _, k := range keys {
		if e, ok := w.edit(k); ok {
			out = append(out, e)
		}
	}
	if w.diags.HasErrors() {
		return nil, w.diags.Sorted()
	}
	return out, w.diags.Sorted()
}

// editable reports whether a Dockerfile is a file on this machine.
func editable(b *schema.Build) bool {
	return b.DockerfileInline == "" && !schema.ParseRef(b.Context).Remote()
}

// NotEditable reports the requested targets whose Dockerfile may be changed to cross-compile, but is no file on this machine.
func NotEditable(cfg *schema.Config, req Request) diag.List {
	p := newPlanner(cfg, req, Facts{})
	p.selectTargets()
	p.diags = nil // Edits reports those
	for _, b := range p.builds {
		if b.requested && slices.Contains(p.modes(b.values), schema.Cross) && !editable(b.values) {
			p.refuseEdit(b)
		}
	}
	return p.diags.Sorted()
}

func (p *planner) refuseEdit(b *build) {
	if b.values.DockerfileInline != "" {
		p.diags = p.diags.Errorf("edit-inline", b.target.At("dockerfile-inline"), "The Dockerfile is no file that can be written",
			"target %s has its Dockerfile inline, in the build file.", b.target.Name)
	} else {
		p.diags = p.diags.Errorf("edit-remote", b.target.At("context"), "The Dockerfile is no file that can be written",
			"target %s has its Dockerfile in the remote context %s.", b.target.Name, b.values.Context)
	}
	p.diags[len(p.diags)-1].Advice = "name targets that have a Dockerfile on this machine, or see the change with --diff"
}

// edit decides about one file; false after an error, which is noted.
func (p *planner) edit(key string) (Edit, bool) {
	linked := map[Use]bool{}
	for _, b := range p.builds {
		for _, u := range b.links {
			linked[u] = true
		}
	}
	in := dockerfile.CrossInput{Build: p.native(), Foreign: p.toCross, Offers: p.offers}
	native := map[int]bool{}
	var file *dockerfile.File
	var first *build
	var targets []string
	for _, b := range p.builds {
		if b.key != key {
			continue
		}
		if first == nil {
			first = b
		}
		targets = addOnce(targets, b.target.Name)
		if b.file == nil {
			path, text := displayPath(p.cfg, b.target.Name, b.values), p.facts.Dockerfiles[key].Text
			return Edit{File: key, Path: path, Text: text, New: text,
				Kept: []Attempt{{Strategy: schema.Cross, Code: "opaque", Reason: b.opaque, At: path + ":1"}}}, true
		}
		file = b.file
		p.look(b, &in)
		g := p.resolve(b, b.file, b.platform)
		switch {
		case g == nil:
		case p.checksOnly(b) && !linked[Use{b.target.Name, b.platform.String()}]:
			for i, r := range g.Reached {
				native[i] = native[i] || r
			}
		default:
			in.Graphs = append(in.Graphs, g)
		}
	}
	if file == nil || p.diags.HasErrors() {
		return Edit{}, false
	}
	e := Edit{File: key, Path: file.Path, Text: string(file.Text), New: string(file.Text)}
	var sound []dockerfile.Group
	var advice []dockerfile.Advice
	for _, g := range dockerfile.FileGroups(in, native) {
		if g.Sound() {
			sound = append(sound, g)
			e.Pinned = append(e.Pinned, file.Stages[g.Root].Title())
			continue
		}
		if g.Checked && p.block(first.values) == nil {
			advice = append(advice, dockerfile.Advise(in, g)...)
		}
		pr := g.Problems[0]
		if i := slices.IndexFunc(g.Problems, func(pr dockerfile.Problem) bool { return pr.Code == "final-run" }); i >= 0 {
			pr = g.Problems[i]
		}
		if v := p.voucherOf(key, pr.Stage); v != "" {
			pr.Code, pr.Reason = "vouched", string(v)+" vouches for it, and that stays in the build file"
		}
		e.Kept = append(e.Kept, Attempt{Strategy: schema.Cross, Code: pr.Code, Reason: fmt.Sprintf("%s: %s", pr.Stage, pr.Reason), At: fmt.Sprintf("%s:%d", file.Path, pr.Line)})
	}
	if len(advice) > 0 {
		s := suggestion("", advice)
		s.Checked, s.Targets = true, targets
		e.Suggestions = []Suggestion{s}
	}
	if len(sound) > 0 {
		e.New = file.CrossFile(in, sound).Text
	}
	return e, true
}

// voucherOf is the strategy block that answers for a stage of a file, "" if none does.
func (p *planner) voucherOf(key, stage string) schema.Strategy {
	for _, b := range p.builds {
		if block := p.block(b.values); b.key == key && block != nil && block.Vouches(stage) != "" {
			return block.Ref()
		}
	}
	return ""
}

// checksOnly reports whether a build only runs for its own sake, on the node's own platform: a linter, a test.
func (p *planner) checksOnly(b *build) bool {
	return len(b.target.Platforms) == 0 && b.platform == p.native() &&
		!slices.ContainsFunc(b.values.Outputs, func(o schema.Output) bool { return o.Type != schema.OutputCacheOnly })
}
