package plan

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/internal/parallel"
	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// resolveStages makes one instance for equal work: stages of any target, platform or file with the same id are one.
func (p *planner) resolveStages() {
	p.plan.Builds = slices.Grow(p.plan.Builds, len(p.builds))
	for chunk := range slices.Chunk(p.builds, resolveAtOnce) {
		graphs := p.resolveAll(chunk)
		for i, b := range chunk {
			p.addStages(b, &graphs[i])
		}
	}
	p.orderStages()
	p.stop = p.stop || p.diags.HasErrors()
	order := p.order()
	p.plan.Stages = slices.Grow(p.plan.Stages, len(order))
	for _, id := range order {
		p.plan.Stages = append(p.plan.Stages, *p.instances[id].stage)
	}
}

// resolveAtOnce bounds how many graphs are kept at the same time.
const resolveAtOnce = 512

// graphs are those of one build: on its platform, and for a target that nobody builds for.
type graphs struct {
	on, other *dockerfile.Graph
	diags     diag.List
}

// resolveAll resolves builds at once. Builds of one target share the graph that stands for no platform, unless the build
// file gives each platform values of its own.
func (p *planner) resolveAll(builds []*build) []graphs {
	type key struct {
		target *schema.Target
		file   *dockerfile.File
	}
	out := make([]graphs, len(builds))
	first := map[key]int{}
	shared := make([]int, len(builds))
	for i, b := range builds {
		shared[i] = i
		if k := (key{b.target, b.final}); b.target.PerPlatform == nil {
			if at, ok := first[k]; ok {
				shared[i] = at
			} else {
				first[k] = i
			}
		}
	}
	parallel.Each(len(builds), func(i int) {
		b := builds[i]
		out[i].on, out[i].diags = p.resolved(b, b.final, b.platform)
		if shared[i] == i {
			out[i].other, _ = p.resolved(b, b.final, sentinel)
		}
	})
	for i, at := range shared {
		out[i].other = out[at].other
	}
	return out
}

// addStages adds a build and the instances that only it needs so far.
func (p *planner) addStages(b *build, g *graphs) {
	b.id = p.dockerfileID(b)
	pb := Build{Target: b.target.Name, Platform: b.platform, Dockerfile: b.id, Values: b.values, Requested: b.requested,
		ByIndex: map[int]string{}, Links: b.links, SecretNames: b.secretNames, SSHNames: b.sshNames,
		After: b.target.DependsOn, Concurrency: b.target.Concurrency}
	p.diags = append(p.diags, g.diags...)
	if b.file == nil {
		p.opaqueStage(b, &pb)
	} else if p.route(b, g); g.on != nil {
		p.graphStages(b, g, &pb)
		pb.Values = b.valuesWithArgs()
	}
	b.result = pb.Result
	p.plan.Builds = append(p.plan.Builds, pb)
}

// route sends a build to the node that executes what the hub does not, where there is one and the strategy wants it, and
// resolves it again for that node.
func (p *planner) route(b *build, g *graphs) {
	if g.on == nil || len(p.nodes) == 1 {
		return
	}
	foreign := p.foreignRuns(g.on, b.on)
	for _, m := range p.modes(b.values) {
		switch {
		case len(foreign) == 0 || m == schema.Emulate && p.serves(m, foreign):
			return
		case m == schema.Native || m == schema.AsWritten:
			n := p.executor(foreign)
			if n == nil {
				continue
			}
			b.on = n
			moved := p.resolve(b, b.final, b.platform)
			if moved == nil || len(p.foreignRuns(moved, n)) == 0 {
				g.on = moved
				g.other, _ = p.resolved(b, b.final, sentinel)
				return
			}
			b.on = p.hub() // what the file pins to another platform would be foreign there
		}
	}
}

// valuesWithArgs are the values of the build file with what the rewritten Dockerfile needs beside them.
func (b *build) valuesWithArgs() *schema.Build {
	if len(b.args[b.platform]) == 0 {
		return b.values
	}
	v := *b.values
	v.Args = b.withArgs(v.Args, b.platform)
	return &v
}

// order is every instance id in the order of first use; builds come after the builds they link to, and stages after the
// stages they need.
func (p *planner) order() []string {
	var ids []string
	seen := map[string]bool{}
	for _, b := range p.plan.Builds {
		for _, id := range b.Stages {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// orderStages adds to the results of builds that wait for others the edges that say so.
func (p *planner) orderStages() {
	results := map[string][]string{}
	for _, d := range p.plan.Builds {
		if d.Result != "" {
			results[d.Target] = append(results[d.Target], d.Result)
		}
	}
	for _, b := range p.plan.Builds {
		in := p.instances[b.Result]
		if in == nil || len(b.After) == 0 {
			continue
		}
		for _, name := range b.After {
			for _, id := range results[name] {
				known := func(n Need) bool { return n.ID == id }
				if !p.needs(id, b.Result, map[string]bool{}) && !slices.ContainsFunc(in.stage.Needs, known) { // it may be part of what it is waited for
					in.stage.Needs = append(in.stage.Needs, Need{ID: id, Via: "order", Line: in.stage.Line})
				}
			}
		}
	}
}

// needs reports whether a stage is another one or needs it, directly or not. seen are those that do not.
func (p *planner) needs(id, other string, seen map[string]bool) bool {
	if id == other {
		return true
	}
	in := p.instances[id]
	if in == nil || seen[id] {
		return false
	}
	seen[id] = true
	return slices.ContainsFunc(in.stage.Needs, func(n Need) bool { return p.needs(n.ID, other, seen) })
}

func (p *planner) opaqueStage(b *build, pb *Build) {
	id := dockerfile.Key("opaque", b.target.Name, b.platform.String())
	p.instances[id] = &instance{build: b, builds: []*build{b}, platform: b.platform, stage: &Stage{ID: id, Dockerfile: b.id, Stage: b.values.Stage,
		Line: 1, EndLine: 1 << 30, For: []Use{{b.target.Name, b.platform.String()}}, Tried: []Attempt{}, Placements: []Placement{}, Needs: []Need{}, Caches: []string{},
		Inputs: []Input{{Kind: "context", Ref: b.values.Context}}}}
	pb.Stages, pb.ByIndex[0], pb.Result = []string{id}, id, id
}

func (p *planner) graphStages(b *build, g *graphs, pb *Build) {
	for i, n := range g.on.Nodes {
		if !g.on.Reached[i] {
			continue
		}
		in := p.instances[n.ID]
		if in == nil {
			in = &instance{node: n, build: b, platform: n.Platform, crossed: b.crossed[i], vouched: b.vouched[i], checked: b.checked[i], depends: true}
			if n.ScratchPlatform != nil {
				in.platform = *n.ScratchPlatform
			}
			var o *dockerfile.Node // which a build for another target need not reach
			if g.other != nil {
				o = g.other.Walk(i)
			}
			if o != nil {
				in.depends = o.FS != n.FS
				in.pinned = o.Platform == n.Platform || n.ScratchPlatform != nil && o.ScratchPlatform != nil && *o.ScratchPlatform == *n.ScratchPlatform
			}
			in.stage = p.newStage(b, n)
			if o != nil {
				in.stage.ForksAt = b.fork(n, o)
			}
			p.instances[n.ID] = in
		}
		if n := len(in.builds); n == 0 || in.builds[n-1] != b { // builds come one after the other
			in.builds = append(in.builds, b)
			in.stage.For = append(in.stage.For, b.use())
		}
		pb.Stages = append(pb.Stages, n.ID)
		pb.ByIndex[i] = n.ID
	}
	pb.Result = g.on.Result.ID
}

// fork words the fork between a stage and the same one for another target, with the user's own lines.
func (b *build) fork(n, other *dockerfile.Node) *Fork {
	f := n.Fork(other)
	if f == nil {
		return nil
	}
	out := &Fork{Line: b.userLine(f.Line), By: f.By}
	if f.Declared == 0 {
		return out
	}
	if b.lines != nil && f.Declared < f.Line && b.userLine(f.Declared) == b.userLine(f.Line) {
		out.By = f.By + ", which the compiler is given"
		return out
	}
	r := n.Reach(f, other)
	out.By, out.Variable, out.Declared = fmt.Sprintf("%s, declared in line %d", f.By, b.userLine(f.Declared)), f.By, b.userLine(f.Declared)
	out.Steps, out.Shared = r.Steps, r.Shared
	if r.Below > 0 {
		out.MoveBelow = b.userLine(r.Below)
	}
	return out
}

// userLine maps a line of the file as it is built to the user's own.
func (b *build) userLine(n int) int {
	if b.lines == nil || n < 1 || n > len(b.lines) {
		return n
	}
	return b.lines[n-1]
}

func (p *planner) newStage(b *build, n *dockerfile.Node) *Stage {
	s := &Stage{ID: n.ID, Dockerfile: b.id, Stage: n.Title(), Index: n.Index, Line: b.userLine(n.Line), EndLine: b.userLine(n.EndLine),
		For: []Use{}, Tried: append([]Attempt{}, b.tried[n.Index]...), Placements: []Placement{}, Needs: []Need{}, Inputs: []Input{}, Caches: []string{}}
	if c := b.caches[n.Index]; c != "" {
		s.Caches = append(s.Caches, c)
	}
	if n.Base != nil {
		s.Needs = append(s.Needs, Need{ID: n.Base.ID, Via: "from", Line: s.Line})
	}
	add := func(in Input) {
		if !slices.Contains(s.Inputs, in) {
			s.Inputs = append(s.Inputs, in)
		}
	}
	if n.Image != "" && n.Image != "scratch" {
		add(p.imageInput(n.Image))
	}
	if n.Context != "" {
		p.contextNeed(b, s, n.Context, s.Line, add)
	}
	for _, d := range n.Deps {
		line := b.userLine(d.Line)
		switch {
		case d.Node != nil:
			need := Need{ID: d.Node.ID, Via: d.Via, Line: line}
			if !slices.ContainsFunc(s.Needs, func(x Need) bool { return x.ID == need.ID && x.Via == need.Via }) {
				s.Needs = append(s.Needs, need)
			}
		case d.Image != "":
			add(p.imageInput(d.Image))
		default:
			p.contextNeed(b, s, d.Context, line, add)
		}
	}
	if n.UsesContext {
		add(Input{Kind: "context", Ref: b.values.Context})
	}
	for _, u := range n.URLs {
		kind := "url"
		if schema.ParseSource(u).Kind == schema.GitRef {
			kind = "git"
		}
		add(Input{Kind: kind, Ref: u})
	}
	return s
}

// contextNeed records a named context: an edge to a linked target's result, or an input.
func (p *planner) contextNeed(b *build, s *Stage, name string, line int, add func(Input)) {
	if link, ok := b.links[name]; ok {
		if id := p.byUse[link].result; id != "" {
			s.Needs = append(s.Needs, Need{ID: id, Via: "context", Line: line})
		}
		return
	}
	if ref := schema.ParseRef(b.values.Contexts[name]); ref.Kind == schema.ImageRef {
		add(p.imageInput(ref.Value))
		return
	}
	add(Input{Kind: "context", Ref: b.values.Contexts[name]})
}

func (p *planner) imageInput(ref string) Input {
	in := Input{Kind: "image", Ref: ref}
	if img, ok := p.facts.Images[ref]; ok {
		in.Digest = img.Digest
	}
	return in
}
