package dockerfile

import (
	"path"
	"slices"
	"strings"
)

// Recipe recognises a kind of build that cannot be proven from the text, and says what its author could vouch for so that it
// need not be emulated. Recipes are data: each is one file, and names no stage.
type Recipe struct {
	Code string // stable, usable as a name in a build file
	Name string // as people call it
	// Images are the base images of such a stage, without registry and tag; none means any.
	Images []string
	// Commands are what such a stage runs ("cargo", or "cargo install"), Problems the codes of what stands against
	// cross-compiling it. One of either is enough, if the stage runs nothing of Unless.
	Commands, Problems, Unless []string
	// Vouch is what the author has to vouch for, and If when that is true.
	Vouch Vouch
	If    string
	// Tools are what the stage is given, by distribution: "debian", "alpine", or "" for any other. If they are needed and there are
	// none for a distribution, nothing can be said there.
	Tools map[string]Tools
}

// Tools are values for a strategy block, as expressions of the build file's language.
type Tools struct {
	Env       [][2]string // name and expression
	RunBefore []string
}

// recipes in the order in which they are tried; a stage has the first that fits.
var recipes = []*Recipe{&goHidden, &goCgo, &goPlain, &rustTool, &rust, &zig, &node, &java, &static, &cDirect, &cBuild}

// Advice is what could be vouched for about one stage.
type Advice struct {
	Stage  string // title
	Line   int
	Recipe *Recipe
	Tools  Tools
}

// Advise says what vouching would make a refused group sound; nothing if there is more in its way than what its steps do, or if a
// stage is of no kind that is known.
func Advise(in CrossInput, grp Group) []Advice {
	if grp.Sound() || slices.ContainsFunc(grp.Problems, func(p Problem) bool { return slices.Contains(notTheSteps, p.Code) }) {
		return nil
	}
	var out []Advice
	seen := map[int]bool{}
	for _, g := range in.Graphs {
		a := analyse(&grp, g, in)
		for _, i := range grp.Stages {
			n := g.Nodes[i]
			if seen[i] || !g.Reached[i] || len(n.Runs) == 0 {
				continue
			}
			seen[i] = true
			switch ad := a.advise(n, grp.Problems); {
			case ad != nil:
				out = append(out, *ad)
			case !a.harmless(n, grp.Problems):
				return nil
			}
		}
	}
	return out
}

// Problems that vouching for steps does not solve.
var notTheSteps = []string{"final-run", "final-stage", "base-shipped", "platform-fixed", "buildplatform-changed", "base-lacks-build-platform", "variant-unknown", "onbuild"}

// advise finds the recipe of a stage, nil if there is none or if it needs none.
func (a *analysis) advise(n *Node, problems []Problem) *Advice {
	called := a.called(n)
	image := path.Base(n.Root().Image)
	image, _, _ = strings.Cut(image, "@")
	image, _, _ = strings.Cut(image, ":")
	for _, r := range recipes {
		codes := func(p Problem) bool {
			return p.Stage == n.Title() && (slices.Contains(r.Problems, p.Code))
		}
		if len(r.Images) > 0 && !slices.Contains(r.Images, image) {
			continue
		}
		if !slices.ContainsFunc(r.Commands, func(c string) bool { return called[c] }) && !slices.ContainsFunc(problems, codes) {
			continue
		}
		tools, ok := r.Tools[distribution(n, called)]
		if len(r.Tools) > 0 && !ok || slices.ContainsFunc(r.Unless, func(c string) bool { return called[c] }) {
			continue
		}
		return &Advice{Stage: n.Title(), Line: n.Line, Recipe: r, Tools: tools}
	}
	return nil
}

// called are the names of all commands of a stage, alone and with their first one or two arguments.
func (a *analysis) called(n *Node) map[string]bool {
	m := map[string]bool{}
	for _, r := range n.Runs {
		s := parseScript(scriptInput{Run: r, Shell: n.Shell, Known: n.envKnown})
		for _, c := range s.Calls {
			name := path.Base(c.Args[0].Text)
			m[name] = true
			for _, a := range c.Args[1:min(3, len(c.Args))] {
				name += " " + a.Text
				m[name] = true
			}
		}
	}
	return m
}

// harmless reports whether a stage needs no vouching: nothing stands against its steps, and others take nothing from it that was
// not judged.
func (a *analysis) harmless(n *Node, problems []Problem) bool {
	if slices.ContainsFunc(problems, func(p Problem) bool { return p.Stage == n.Title() }) {
		return false
	}
	return a.stageCompiles[n.Index] || !slices.ContainsFunc(a.g.Nodes, func(o *Node) bool {
		return a.g.Reached[o.Index] && slices.ContainsFunc(o.Deps, func(d Dep) bool { return d.Node == n })
	})
}

// Images that are made from Debian or Ubuntu where their tag does not say otherwise.
var debianImages = strings.Fields("debian ubuntu buildpack-deps golang rust gcc node python ruby php openjdk eclipse-temurin maven gradle")

// distribution tells whose packages a stage is made of.
func distribution(n *Node, called map[string]bool) string {
	ref := n.Root().Image
	switch {
	case called["apk"] || official(ref) == "alpine" || strings.Contains(ref, "alpine"):
		return "alpine"
	case called["apt-get"] || called["apt"] || slices.Contains(debianImages, official(ref)):
		return "debian"
	}
	return ""
}
