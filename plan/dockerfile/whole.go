package dockerfile

import (
	"fmt"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// FileGroups judges the groups for an edit that stays in the file, so that stages count that no graph reaches: pinning a
// base moves whatever is FROM it. native are stages that are only built for the node's own platform, where pinning is no
// change; nil entries and indices of reached stages do no harm.
func FileGroups(in CrossInput, native map[int]bool) []Group {
	groups := Groups(in)
	for k := range groups {
		grp := &groups[k]
		for _, g := range in.Graphs {
			if g.Reached[grp.Root] {
				grp.bystanders(g, in, native)
				break // the stages that no graph reaches have the same text in each
			}
		}
	}
	return groups
}

// bystanders adds the problems of the stages that no graph reaches.
func (grp *Group) bystanders(g *Graph, in CrossInput, native map[int]bool) {
	reached := func(i int) bool {
		return slices.ContainsFunc(in.Graphs, func(g *Graph) bool { return g.Reached[i] })
	}
	whole, ok := g.whole()
	if !ok {
		n := g.Nodes[grp.Root]
		grp.Problems = append(grp.Problems, Problem{Code: "stage-unresolved", Line: n.Line, Stage: n.Title(),
			Reason: "a stage of the file that is not built here has a mistake, so that it cannot be told what the change does to it"})
		return
	}
	all := Group{Root: grp.Root, Stages: grp.growing(whole)}
	a := analyse(&all, whole, in)
	byLine := map[int]int{} // a problem names its line; the stage is the last one that begins before it
	for i, n := range g.Nodes {
		for l := n.Line; l <= n.EndLine; l++ {
			byLine[l] = i
		}
	}
	add := func(p Problem) {
		i := byLine[p.Line]
		switch {
		case reached(i): // judged already
		case native[i] && slices.Contains(nativeOnly, p.Code):
		case p.Code == "go-tool" && !a.inherits(g.Nodes[i]) && !g.File.runs(i):
			// A check in a stage of its own tells the same on any machine.
		case !slices.ContainsFunc(grp.Problems, func(q Problem) bool { return q.Code == p.Code && q.Line == p.Line }):
			grp.Problems = append(grp.Problems, p)
		}
	}
	for _, p := range slices.Concat(a.problems, a.users(&all, whole)) {
		add(p)
	}
	for _, i := range all.Stages {
		if n := g.Nodes[i]; !reached(i) && !native[i] && g.File.runs(i) {
			add(Problem{Code: "base-shipped", Line: n.Line, Stage: n.Title(),
				Reason: fmt.Sprintf("%s looks like an image of its own, and would be built for the build platform only", n.Title())})
		}
	}
}

// CrossFile is [File.Cross] for an edit that stays in the file: stages that no graph reaches are given the target too.
func (f *File) CrossFile(in CrossInput, groups []Group) Rewrite {
	graphs, all := in.Graphs, slices.Clone(groups)
	in.Graphs = nil
	for _, g := range graphs {
		w, _ := g.whole() // it could be resolved when the groups were judged
		in.Graphs = append(in.Graphs, w)
	}
	for k := range all {
		all[k].Stages = all[k].growing(in.Graphs[0])
	}
	return f.Cross(in, all, "")
}

// whole is the graph with every stage reached; false if a stage that the build does not reach cannot be resolved.
func (g *Graph) whole() (*Graph, bool) {
	w := *g
	if !g.env.Whole {
		env := g.env
		env.Whole = true
		all, d := g.File.Resolve(env)
		if d.HasErrors() {
			return g, false
		}
		w = *all
	}
	w.Reached = slices.Repeat([]bool{true}, len(g.Nodes))
	return &w, true
}

// growing lists every stage of the file that grows from the group's root.
func (grp Group) growing(g *Graph) []int {
	var out []int
	for i, n := range g.Nodes {
		if n.Root().Index == grp.Root {
			out = append(out, i)
		}
	}
	return out
}

// nativeOnly are problems of running what was built, or of taking files: where all platforms are one, they are none.
var nativeOnly = []string{"go-test", "go-run", "go-tool", "go-generate", "go-install", "product-reused", "foreign-input", "download"}

// runs reports whether a stage says how it is run, as images that are shipped do.
func (f *File) runs(i int) bool {
	stages, _, err := ParseStages(f.ast)
	if err != nil || i >= len(stages) { // parsed before: cannot happen
		return true
	}
	return slices.ContainsFunc(stages[i].Commands, func(c instructions.Command) bool {
		switch c.(type) {
		case *instructions.CmdCommand, *instructions.EntrypointCommand, *instructions.HealthCheckCommand, *instructions.ExposeCommand:
			return true
		}
		return false
	})
}
