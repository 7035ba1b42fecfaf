package graph

import (
	"fmt"
	"strings"

	"github.com/xbuild/xbuild/plan"
)

// fill and line are the colours of a kind on a light background: the hues of the plan's text.
var fill = map[plan.Kind]string{plan.Shared: "#d5f0da", plan.Cross: "#cdeff3", plan.Native: "#d6e4fb", plan.Emulated: "#fbeabc",
	plan.Assembled: "#eceef0", plan.Opaque: "#f3dcf5"}
var line = map[plan.Kind]string{plan.Shared: "#1a7f37", plan.Cross: "#0b7d8c", plan.Native: "#2158c7", plan.Emulated: "#a06a00",
	plan.Assembled: "#7a828b", plan.Opaque: "#9333a8"}

// dotStyle draws an edge by its kind.
var dotStyle = map[string]string{"from": "style=bold", "copy": "style=solid", "mount": "style=dashed", "context": "style=dotted", "order": "style=dotted, arrowhead=empty"}

// DOT renders the plan for Graphviz. Stages of one target stand in a cluster, and within it those of one platform.
func DOT(p *plan.Plan) string {
	m := newModel(p)
	var b strings.Builder
	b.WriteString("digraph plan {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11];\n" +
		"  edge [fontname=\"Helvetica\", fontsize=9, color=\"#7a828b\"];\n  fontname=\"Helvetica\";\n")
	m.nest(func(depth int, id, title string) {
		pad := strings.Repeat("  ", depth+1)
		fmt.Fprintf(&b, "%ssubgraph %s {\n%s  label=%s;\n", pad, dotQuote("cluster_"+id), pad, dotQuote(title))
	}, func(depth int, n node) {
		fmt.Fprintf(&b, "%s%s [label=%s, fillcolor=\"%s\", color=\"%s\", tooltip=%s];\n", strings.Repeat("  ", depth+1), dotQuote(n.ID),
			dotQuote(n.title()+"\n"+string(n.Kind)+", "+n.label), fill[n.Kind], line[n.Kind], dotQuote(n.Reason))
	}, func(depth int) { b.WriteString(strings.Repeat("  ", depth+1) + "}\n") })
	for _, e := range m.edges {
		fmt.Fprintf(&b, "  %s -> %s [%s, label=%s];\n", dotQuote(m.nodes[e.from].ID), dotQuote(m.nodes[e.to].ID), dotStyle[e.via], dotQuote(e.via))
	}
	b.WriteString("}\n")
	return b.String()
}

// dotQuote makes a quoted string of the DOT language; a line break becomes one in the label.
func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", " ").Replace(s) + `"`
}

// mermaidArrow draws an edge by its kind; Mermaid knows three strokes.
var mermaidArrow = map[string]string{"from": "==>", "copy": "-->", "mount": "-.->", "context": "-.->", "order": "-.->"}

// Mermaid renders the plan as a Mermaid flowchart, as Markdown viewers show it.
func Mermaid(p *plan.Plan) string {
	m := newModel(p)
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	m.nest(func(depth int, id, title string) {
		fmt.Fprintf(&b, "%ssubgraph %s[\"%s\"]\n", strings.Repeat("  ", depth+1), id, mermaidText(title))
	}, func(depth int, n node) {
		fmt.Fprintf(&b, "%ss%s[\"%s<br/>%s, %s\"]:::%s\n", strings.Repeat("  ", depth+1), n.ID, mermaidText(n.title()), n.Kind, n.label, n.Kind)
	}, func(depth int) { b.WriteString(strings.Repeat("  ", depth+1) + "end\n") })
	for _, e := range m.edges {
		fmt.Fprintf(&b, "  s%s %s|%s| s%s\n", m.nodes[e.from].ID, mermaidArrow[e.via], e.via, m.nodes[e.to].ID)
	}
	for _, k := range kinds {
		if m.has(k) {
			fmt.Fprintf(&b, "  classDef %s fill:%s,stroke:%s,color:#1f2328\n", k, fill[k], line[k])
		}
	}
	return b.String()
}

// mermaidText is a label between quotes; what Mermaid would read as markup becomes an entity.
func mermaidText(s string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;", "\\", "#92;").Replace(oneLine(s))
}

// nest walks the groups and, within those that have several platforms, the platforms.
func (m *model) nest(open func(depth int, id, title string), leaf func(depth int, n node), end func(depth int)) {
	for gi, g := range m.groups {
		if len(g.nodes) == 0 {
			continue
		}
		open(0, fmt.Sprintf("g%d", gi), g.title)
		platforms := m.platforms(g)
		for _, i := range g.nodes {
			if m.nodes[i].platform == "" || len(platforms) == 1 {
				leaf(1, m.nodes[i])
			}
		}
		for pi, pl := range platforms {
			if len(platforms) == 1 {
				break
			}
			open(1, fmt.Sprintf("g%dp%d", gi, pi), pl)
			for _, i := range g.nodes {
				if m.nodes[i].platform == pl {
					leaf(2, m.nodes[i])
				}
			}
			end(1)
		}
		end(0)
	}
}
