package graph

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan"
)

// page has places of the form {{Name}}. It is no template of html/template, since that package calls methods by name: a
// program that can do so keeps every method of every type, which makes this one a sixth larger.
//
//go:embed page.html
var page string

// pageNode is what the page shows of a node when it is clicked.
type pageNode struct {
	ID         string           `json:"id"`
	Title      string           `json:"title"`
	Kind       plan.Kind        `json:"kind"`
	Code       string           `json:"code"`
	Reason     string           `json:"reason"`
	Evidence   *plan.Evidence   `json:"evidence"`
	File       string           `json:"file"`
	Line       int              `json:"line"`
	For        []plan.Use       `json:"for"`
	Placements []plan.Placement `json:"placements"`
	Needs      []plan.Need      `json:"needs"`
	Inputs     []plan.Input     `json:"inputs"`
	Tried      []plan.Attempt   `json:"tried"`
	Caches     []string         `json:"caches"`
	Forks      *plan.Fork       `json:"forks"`
	Group      int              `json:"group"`
}

// HTML renders the plan as one page without outside resources: the picture, with zoom, search and the details of a stage on
// click.
func HTML(p *plan.Plan) (string, error) {
	l := place(newModel(p))
	var svg strings.Builder
	l.draw(&svg)
	nodes := []pageNode{}
	for _, n := range l.nodes {
		file := n.Dockerfile
		if d := p.Dockerfile(n.Dockerfile); d != nil {
			file = d.Path
		}
		nodes = append(nodes, pageNode{ID: n.ID, Title: n.title(), Kind: n.Kind, Code: n.Code, Reason: n.Reason, Evidence: n.Evidence, File: file, Line: n.Line,
			For: n.For, Placements: n.Placements, Needs: n.Needs, Inputs: n.Inputs, Tried: n.Tried, Caches: n.Caches, Forks: n.ForksAt, Group: n.group})
	}
	var titles []string
	for g := range l.groups {
		if l.bands[g].h > 0 {
			titles = append(titles, l.groups[g].title)
		}
	}
	data, err := json.Marshal(nodes) // which can stand in a script: it escapes < and >
	if err != nil {
		return "", err
	}
	shown := slices.DeleteFunc(slices.Clone(kinds), func(k plan.Kind) bool { return !l.has(k) })
	ways := slices.DeleteFunc(slices.Clone(vias), func(v string) bool { return !l.hasVia(v) })
	return strings.NewReplacer(
		"{{Style}}", palette()+shapes, "{{SVG}}", svg.String(), "{{Nodes}}", string(data),
		"{{Width}}", fmt.Sprintf("%.0f", l.width), "{{Height}}", fmt.Sprintf("%.0f", l.height), "{{Counts}}", countsOf(p),
		"{{Kinds}}", each(shown, `<span><svg class="node k-$" viewBox="0 0 26 14" style="width:16px"><rect class="bx" x="1" y="1" width="24" height="12" rx="3"/></svg>$</span>`),
		"{{Vias}}", each(ways, `<span><svg viewBox="0 0 26 14"><path class="edge e-$" d="M0 7h26"/></svg>$</span>`),
		"{{Titles}}", each(titles, "<option>$</option>"),
	).Replace(page), nil
}

// each writes the form once for each item, which stands for the $ in it.
func each[T ~string](items []T, form string) string {
	var b strings.Builder
	for _, item := range items {
		b.WriteString(strings.ReplaceAll(form, "$", html.EscapeString(string(item))))
	}
	return b.String()
}

// countsOf is the size of the plan in words.
func countsOf(p *plan.Plan) string {
	return fmt.Sprintf("%d stages of %d targets", p.Counts.Stages, len(p.Targets))
}
