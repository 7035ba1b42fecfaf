package graph

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

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
	var b strings.Builder
	err := page.Execute(&b, map[string]any{
		"Style": template.CSS(palette() + shapes), "SVG": template.HTML(svg.String()), "Nodes": nodes,
		"Width": fmt.Sprintf("%.0f", l.width), "Height": fmt.Sprintf("%.0f", l.height),
		"Counts": countsOf(p), "Kinds": slices.DeleteFunc(slices.Clone(kinds), func(k plan.Kind) bool { return !l.has(k) }),
		"Vias": slices.DeleteFunc(slices.Clone(vias), func(v string) bool { return !l.hasVia(v) }), "Titles": titles,
	})
	return b.String(), err
}

// countsOf is the size of the plan in words.
func countsOf(p *plan.Plan) string {
	return fmt.Sprintf("%d stages of %d targets", p.Counts.Stages, len(p.Targets))
}
