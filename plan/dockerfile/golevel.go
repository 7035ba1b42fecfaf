package dockerfile

import (
	"fmt"
	"slices"
	"strings"
)

// targetNames are the arguments of BuildKit that the lines of [File.Cross] declare.
var targetNames = []string{"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT"}

// goTargetNames are the variables that give Go its target.
var goTargetNames = []string{"GOOS", "GOARCH", "GOARM", "GOAMD64", "GOARM64", "GOPPC64", "GORISCV64", "CGO_ENABLED"}

// goArgs are the ARG lines that give Go its target on every platform that a Dockerfile is built for.
type goArgs struct {
	steps []string // ARG lines that the last one needs
	last  string   // the arguments of the last ARG line
}

// newGoArgs gives Go its operating system and architecture, and the level of each architecture of which a variant is built.
func newGoArgs(graphs []*Graph) goArgs {
	a := goArgs{last: "GOOS=$TARGETOS GOARCH=$TARGETARCH"}
	levels := goLevels(graphs)
	for _, l := range levels {
		from := "TARGETVARIANT"
		edits := l.edits()
		if len(levels) > 1 { // a level of another architecture is an error for some versions of Go
			from = "TARGETPLATFORM"
			edits = append([]string{"##*/" + l.pattern() + "/", "##*/*"}, edits...)
		}
		value := "$" + from
		for i, edit := range edits {
			if i > 0 {
				step := fmt.Sprintf("%s_%d", l.name, i)
				a.steps = append(a.steps, "ARG "+step+"="+value)
				from = step
			}
			value = "${" + from + edit + "}"
		}
		a.last += " " + l.name + "=" + value
	}
	return a
}

// lines are the ARG lines, the last one with more.
func (a goArgs) lines(more string) []string {
	return append(slices.Clone(a.steps), "ARG "+a.last+more)
}

// uses reports whether the lines need an argument of BuildKit.
func (a goArgs) uses(name string) bool {
	return slices.ContainsFunc(a.lines(""), func(l string) bool { return strings.Contains(l, name) })
}

// usesOrTarget is uses for lines that stand before commands that may look at the parts of the target.
func (a goArgs) usesOrTarget(name string) bool { return name != "TARGETPLATFORM" || a.uses(name) }

// goLevel is the variable of one architecture, over all platforms that a Dockerfile is built for.
type goLevel struct {
	arch, name string
	variants   []string
}

// goLevels are those of the architectures of which a variant is built, in a fixed order.
func goLevels(graphs []*Graph) []goLevel {
	var out []goLevel
	for _, g := range graphs {
		name, _ := g.Target.GoLevel()
		if name == "" || g.Target.Variant == "" {
			continue
		}
		i := slices.IndexFunc(out, func(l goLevel) bool { return l.name == name })
		if i < 0 {
			i = len(out)
			out = append(out, goLevel{arch: g.Target.Arch, name: name})
		}
		out[i].variants = append(out[i].variants, g.Target.Variant)
	}
	slices.SortFunc(out, func(a, b goLevel) int {
		return slices.Index(goTargetNames, a.name) - slices.Index(goTargetNames, b.name)
	})
	return out
}

// pattern matches the architectures that the variable is for.
func (l goLevel) pattern() string {
	if l.name == "GOPPC64" {
		return "ppc64*"
	}
	return l.arch
}

// edits are the changes, in the form of modifiers of a Dockerfile variable, that make Go's value of a variant.
func (l goLevel) edits() []string {
	switch {
	case l.arch == "arm" && slices.Contains(l.variants, "v8"):
		return []string{"#v", "/8/7"}
	case l.arch == "arm":
		return []string{"#v"}
	case l.arch == "arm64" && slices.ContainsFunc(l.variants, func(v string) bool { return strings.HasPrefix(v, "v9.") }):
		return []string{"/v9./V", "/v9/v9.0", "/V/v9."} // v9.2 stays as it is
	case l.arch == "arm64" && slices.Contains(l.variants, "v9"):
		return []string{"/v9/v9.0"}
	}
	return nil
}

// goGiven are the values that pinning adds for one target, by name.
func goGiven(graphs []*Graph, g *Graph) map[string]string {
	m := map[string]string{"GOOS": g.Target.OS, "GOARCH": g.Target.Arch}
	for _, l := range goLevels(graphs) {
		m[l.name] = ""
	}
	if name, value := g.Target.GoLevel(); name != "" && value != "" {
		m[name] = value
	}
	return m
}
