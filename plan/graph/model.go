package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan"
)

// model is what every format draws: nodes in plan order, in groups by who uses them.
type model struct {
	nodes  []node
	edges  []edge
	groups []group
}

// node is one stage instance.
type node struct {
	*plan.Stage
	group int
	// platform is the only platform that uses the stage, or "" if several do.
	platform string
	label    string // who uses it, short
}

// edge says that node to needs node from.
type edge struct {
	from, to int
	via      string
}

// group is a target with the stages that only it uses. The stages of several targets are a group of their own.
type group struct {
	title string
	nodes []int
}

// severalTargets is the title of the group of stages that no target has to itself.
const severalTargets = "several targets"

// vias are the kinds of edges, in the order of legends.
var vias = []string{"from", "copy", "mount", "context", "order"}

// kinds are the kinds of nodes, in the order of legends.
var kinds = []plan.Kind{plan.Shared, plan.Cross, plan.Native, plan.Emulated, plan.Assembled, plan.Opaque}

func newModel(p *plan.Plan) *model {
	m := &model{}
	byTitle := map[string]int{}
	addGroup := func(title string) {
		if _, ok := byTitle[title]; !ok {
			byTitle[title] = len(m.groups)
			m.groups = append(m.groups, group{title: title})
		}
	}
	if slices.ContainsFunc(p.Stages, func(s plan.Stage) bool { return owner(&s) == "" }) {
		byTitle[""] = 0
		m.groups = append(m.groups, group{title: severalTargets})
	}
	for _, t := range p.Targets {
		addGroup(t.Name)
	}
	byID := map[string]int{}
	for i := range p.Stages {
		s := &p.Stages[i]
		addGroup(owner(s))
		g := byTitle[owner(s)]
		byID[s.ID] = i
		n := node{Stage: s, group: g}
		n.platform, n.label = usedFor(s)
		m.nodes = append(m.nodes, n)
		m.groups[g].nodes = append(m.groups[g].nodes, i)
		for _, need := range s.Needs {
			if from, ok := byID[need.ID]; ok {
				m.edges = append(m.edges, edge{from: from, to: i, via: need.Via})
			}
		}
	}
	return m
}

// owner is the only target that uses the stage, or "".
func owner(s *plan.Stage) string {
	name := ""
	for _, u := range s.For {
		if name != "" && u.Target != name {
			return ""
		}
		name = u.Target
	}
	return name
}

// usedFor gives the only platform that the stage is used for, or "", and both cases in words.
func usedFor(s *plan.Stage) (platform, label string) {
	var all []string
	for _, u := range s.For {
		if !slices.Contains(all, u.Platform) {
			all = append(all, u.Platform)
		}
	}
	if len(all) == 1 {
		return all[0], all[0]
	}
	return "", fmt.Sprintf("%d platforms", len(all))
}

// platforms are the platforms of the group's nodes in the order of first use; nodes of several are left out.
func (m *model) platforms(g group) []string {
	var out []string
	for _, i := range g.nodes {
		if p := m.nodes[i].platform; p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// title of a node: the stage, which may have no name in an opaque Dockerfile.
func (n node) title() string {
	if n.Stage.Stage == "" {
		return "(whole Dockerfile)"
	}
	return n.Stage.Stage
}

// has reports whether any node is of that kind.
func (m *model) has(k plan.Kind) bool {
	return slices.ContainsFunc(m.nodes, func(n node) bool { return n.Kind == k })
}

// hasVia reports whether any edge is of that kind.
func (m *model) hasVia(via string) bool {
	return slices.ContainsFunc(m.edges, func(e edge) bool { return e.via == via })
}

// oneLine keeps control characters and line breaks of names out of line-based formats.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
