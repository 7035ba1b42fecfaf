package dockerfile

import (
	"fmt"
	"path"
	"slices"

	"github.com/xbuild/xbuild/schema"
)

// CrossInput is what the decision to cross-compile stands on.
type CrossInput struct {
	// Graphs of the file as written, one for each declared platform of the target.
	Graphs []*Graph
	Build  schema.Platform
	// Foreign reports whether the node cannot execute a platform by itself.
	Foreign func(schema.Platform) bool
	// Offers reports whether an image exists for the build platform; known is false if nobody was asked.
	Offers func(ref string) (offers, known bool)
	// UsesC is the place where a Go file of the main context imports "C", "" if none is known to.
	UsesC string
	// Files says that the scripts, make files and programs of the main context were looked at; Probe is what in them asks for
	// the machine that it runs on, "build.sh:3 asks uname -m", or "" if nothing does.
	Files bool
	Probe string
	// Vouched are stages, by index, that someone answers for; Given is what the forks among them get.
	Vouched map[int]Vouch
	Given   Given
}

// Group is the stages that grow from one image base, among those that the target needs. It crosses as a whole or not at
// all, since pinning the base moves every stage on it.
type Group struct {
	Root   int   // index of the stage whose FROM names the image
	Stages []int // in file order, root included
	// Problems is empty if the group can be pinned. The first one is the reason to tell.
	Problems []Problem
	// Checked says that a group that is not sound can be pinned all the same if a wrapper of the go command takes part, if what it
	// hands on is looked at, and if there is another way where it is for the wrong machine.
	Checked bool

	compiles bool
	// done are the analyses that the judgement stands on.
	done map[*Graph]*analysis
}

// Sound reports whether the group can be pinned to the build platform.
func (g Group) Sound() bool { return len(g.Problems) == 0 }

// Groups finds the groups that have something to gain, a RUN on a foreign platform, and judges each.
func Groups(in CrossInput) []Group {
	byRoot := map[int]*Group{}
	wanted := map[int]bool{}
	for _, g := range in.Graphs {
		for i, n := range g.Nodes {
			root := n.Root()
			if !g.Reached[i] || root.Image == "" || root.Image == "scratch" {
				continue
			}
			grp := byRoot[root.Index]
			if grp == nil {
				grp = &Group{Root: root.Index}
				byRoot[root.Index] = grp
			}
			if !slices.Contains(grp.Stages, i) {
				grp.Stages = append(grp.Stages, i)
			}
			if len(n.Runs) > 0 && in.Foreign(n.Platform) || in.Vouched[i] != "" && n.Platform != in.Build {
				wanted[root.Index] = true
			}
		}
	}
	var out []Group
	for root, grp := range byRoot {
		if wanted[root] {
			slices.Sort(grp.Stages)
			grp.judge(in)
			out = append(out, *grp)
		}
	}
	slices.SortFunc(out, func(a, b Group) int { return a.Root - b.Root })
	return out
}

// judge fills Problems: those of the group's place in the file first, then those of its steps, then those of its users.
func (grp *Group) judge(in CrossInput) {
	for _, g := range in.Graphs {
		if !g.Reached[grp.Root] {
			continue
		}
		a := analyse(grp, g, in)
		if grp.done == nil {
			grp.done = map[*Graph]*analysis{}
		}
		grp.done[g] = a
		a.vouch(grp, g, in)
		grp.compiles = grp.compiles || a.compiles
		problems := slices.Concat(a.place(grp, g, in), a.problems)
		switch {
		case slices.ContainsFunc(problems, func(p Problem) bool { return p.Code == "final-run" }):
			problems = problems[:1] // what the final stage runs is its own business
		case len(problems) == 0 && (a.compiles || grp.vouched(in)):
			problems = a.users(grp, g) // what a refused go build writes is not known, so its users are not judged
		}
		for _, p := range problems {
			if !slices.ContainsFunc(grp.Problems, func(q Problem) bool { return q.Code == p.Code && q.Line == p.Line }) {
				grp.Problems = append(grp.Problems, p)
			}
		}
	}
	if grp.judgeChecked(in); grp.Checked {
		return
	}
	if !grp.compiles && len(grp.Problems) == 0 && !grp.vouched(in) {
		n := in.Graphs[0].Nodes[grp.Root]
		grp.Problems = append(grp.Problems, Problem{Code: "no-recipe", Line: n.Line, Stage: n.Title(),
			Reason: "no go build in these stages, so there is nothing to compile for another platform"})
	}
	if p := unknownVariant(in.Graphs); p != "" && grp.compiles {
		n := in.Graphs[0].Nodes[grp.Root]
		grp.Problems = append(grp.Problems, Problem{Code: "variant-unknown", Line: n.Line, Stage: n.Title(), Reason: p})
	}
}

// place judges where the group stands in the file.
func (a *analysis) place(grp *Group, g *Graph, in CrossInput) []Problem {
	var out []Problem
	root := g.Nodes[grp.Root]
	if g.BuildPlatform != in.Build.String() {
		out = append(out, Problem{Code: "buildplatform-changed", Line: root.Line, Stage: root.Title(),
			Reason: fmt.Sprintf("BUILDPLATFORM is set to %s by an argument", g.BuildPlatform)})
	}
	if root.Stage.Platform != "" && root != g.Result.Root() {
		out = append(out, Problem{Code: "platform-fixed", Line: root.Line, Stage: root.Title(),
			Reason: fmt.Sprintf("the stage has --platform=%s already", root.Stage.Platform)})
	}
	if offers, known := in.Offers(root.Image); known && !offers {
		out = append(out, Problem{Code: "base-lacks-build-platform", Line: root.Line, Stage: root.Title(),
			Reason: fmt.Sprintf("%s does not exist for %s", root.Image, in.Build)})
	}
	shipped := slices.DeleteFunc(g.Result.Chain(), func(n *Node) bool { return !slices.Contains(grp.Stages, n.Index) })
	if len(shipped) > 0 && !slices.ContainsFunc(shipped, func(n *Node) bool { return in.Vouched[n.Index] == "" }) {
		return out
	}
	for _, n := range shipped {
		if a.stageCompiles[n.Index] {
			return append(out, Problem{Code: "final-stage", Line: n.Line, Stage: n.Title(),
				Reason: fmt.Sprintf("%s compiles and is part of what is shipped", n.Title())})
		}
	}
	if len(shipped) > 0 && (a.compiles || grp.vouched(in)) {
		n := shipped[len(shipped)-1]
		return append(out, Problem{Code: "base-shipped", Line: n.Line, Stage: n.Title(),
			Reason: fmt.Sprintf("%s is the base of build stages and also of what is shipped", n.Title())})
	}
	if root == g.Result.Root() {
		line := g.Result.Line
		for _, n := range g.Result.Chain() {
			if len(n.Runs) > 0 {
				line = n.Runs[0].Line
			}
		}
		return []Problem{{Code: "final-run", Line: line, Stage: g.Result.Title(), Reason: "RUN in the final stage"}}
	}
	return out
}

// users judges what stages take from the group: only what go build wrote is the target's.
func (a *analysis) users(grp *Group, g *Graph) []Problem {
	var out []Problem
	for i, o := range g.Nodes {
		if !g.Reached[i] {
			continue
		}
		inside := slices.Contains(grp.Stages, i)
		for _, d := range o.Deps {
			if d.Node == nil || !slices.Contains(grp.Stages, d.Node.Index) {
				continue
			}
			if a.vouched[d.Node.Index] != "" {
				continue
			}
			fs := a.files[d.Node.Index]
			for _, p := range d.Paths {
				code, reason := fs.takeChecked(p)
				if inside {
					code, reason = a.share(d, p, o)
				}
				if code != "" {
					out = append(out, Problem{Code: code, Reason: reason, Line: d.Line, Stage: d.Node.Title()})
				}
			}
		}
	}
	return out
}

// share judges what one stage of the group takes from another. All of them are for the build platform, so they may share
// everything but what was built for the target, or may have been by hidden commands.
func (a *analysis) share(d Dep, source string, user *Node) (code, reason string) {
	fs := a.files[d.Node.Index]
	p := path.Clean("/" + source)
	switch {
	case fs.holdsProduct(source) || slices.ContainsFunc(fs.products, func(q product) bool { return q.Dir && within(p, q.Path) }):
		return "product-reused", fmt.Sprintf("%s holds what was built for the target and is taken into the build stage %s", source, user.Title())
	case fs.hidden && !neutralInImage(p) && !within(p, "/go/pkg/mod"):
		return "product-reused", fmt.Sprintf("%s may hold what was built for the target and is taken into the build stage %s", source, user.Title())
	}
	return "", ""
}

// unknownVariant says of which target platform Go has no variable for the variant, "" if there is none.
func unknownVariant(graphs []*Graph) string {
	for _, g := range graphs {
		if name, _ := g.Target.GoLevel(); name == "" && g.Target.Variant != "" {
			return fmt.Sprintf("Go has no variable for the variant of %s", g.Target)
		}
	}
	return ""
}
