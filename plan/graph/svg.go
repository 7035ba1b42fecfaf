package graph

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/xbuild/xbuild/plan"
)

// titleLen is how much of a stage's name a node shows; its tooltip shows all.
const titleLen = 30

// short cuts s to n characters.
func short(s string, n int) string {
	r := []rune(oneLine(s))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

// subtitle is the second line of a node.
func subtitle(n node) string { return string(n.Kind) + " · " + n.label }

// SVG renders the plan as a picture that follows the viewer's light or dark mode.
func SVG(p *plan.Plan) string {
	l := place(newModel(p))
	legend := l.legendBox()
	w, h := max(l.width, legend.w+2*margin), l.height+legend.h
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"build plan\">\n", w, h, w, h)
	fmt.Fprintf(&b, "<style>%s</style>\n", strings.ReplaceAll(palette()+shapes, "\n", " "))
	fmt.Fprintf(&b, "<rect class=\"page\" width=\"%.0f\" height=\"%.0f\"/>\n", w, h)
	l.draw(&b)
	l.drawLegend(&b, l.height)
	b.WriteString("</svg>\n")
	return b.String()
}

// palette gives the colours as CSS variables, for light and dark.
func palette() string {
	var light, dark strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&light, "--%s-fill:%s;--%s-line:%s;", k, fill[k], k, line[k])
		fmt.Fprintf(&dark, "--%s-fill:%s;--%s-line:%s;", k, darkFill[k], k, darkLine[k])
	}
	light.WriteString("--page:#fff;--band:#f6f8fa;--rule:#d1d9e0;--text:#1f2328;--faint:#59636e;--edge:#8c959f;")
	dark.WriteString("--page:#0d1117;--band:#151b23;--rule:#3d444d;--text:#f0f6fc;--faint:#9198a1;--edge:#6b7480;")
	return ":root{color-scheme:light dark;" + light.String() + "}\n@media (prefers-color-scheme:dark){:root{" + dark.String() + "}}\n"
}

var darkFill = map[plan.Kind]string{plan.Shared: "#123c22", plan.Cross: "#0e3a42", plan.Native: "#14305f", plan.Emulated: "#493509",
	plan.Assembled: "#262c34", plan.Opaque: "#421c4c"}
var darkLine = map[plan.Kind]string{plan.Shared: "#4ac26b", plan.Cross: "#39c5d6", plan.Native: "#79a8ff", plan.Emulated: "#e3b341",
	plan.Assembled: "#8b949e", plan.Opaque: "#d68be8"}

const shapes = `.page{fill:var(--page)}
.band{fill:var(--band);stroke:var(--rule)}
text{font-family:system-ui,"Segoe UI",Helvetica,Arial,sans-serif;font-size:13px;fill:var(--text)}
.gt{font-size:13px;font-weight:600;fill:var(--faint)}
.st{font-size:11px;fill:var(--faint)}
.edge{fill:none;stroke:var(--edge);stroke-width:1.3}
.e-from{stroke-width:2.2}
.e-mount{stroke-dasharray:6 4}
.e-context{stroke-dasharray:2 3}
.e-order{stroke-dasharray:8 3 2 3}
.node rect{stroke-width:1.4}
.node .tab{stroke:none}
.k-shared .bx{fill:var(--shared-fill);stroke:var(--shared-line)} .k-shared .tab{fill:var(--shared-line)}
.k-cross .bx{fill:var(--cross-fill);stroke:var(--cross-line)} .k-cross .tab{fill:var(--cross-line)}
.k-native .bx{fill:var(--native-fill);stroke:var(--native-line)} .k-native .tab{fill:var(--native-line)}
.k-emulated .bx{fill:var(--emulated-fill);stroke:var(--emulated-line)} .k-emulated .tab{fill:var(--emulated-line)}
.k-assembled .bx{fill:var(--assembled-fill);stroke:var(--assembled-line)} .k-assembled .tab{fill:var(--assembled-line)}
.k-opaque .bx{fill:var(--opaque-fill);stroke:var(--opaque-line)} .k-opaque .tab{fill:var(--opaque-line)}
`

// draw writes bands, edges and nodes. Elements carry the indices that the page's script works with.
func (l *layout) draw(b *strings.Builder) {
	for g, r := range l.bands {
		if r.h == 0 {
			continue
		}
		fmt.Fprintf(b, "<g class=\"group\" data-g=\"%d\"><rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"8\"/>"+
			"<text class=\"gt\" x=\"%.1f\" y=\"%.1f\">%s</text></g>\n", g, r.x, r.y, r.w, r.h, r.x+groupPad, r.y+17, escape(l.groups[g].title))
	}
	for i, e := range l.edges {
		far := ""
		if l.trunks[i].x > 0 {
			far = " far"
		}
		fmt.Fprintf(b, "<path class=\"edge e-%s%s\" data-a=\"%d\" data-b=\"%d\" d=\"%s\"/>\n", e.via, far, e.from, e.to, curve(l.routes[i], l.trunks[i]))
	}
	for i, n := range l.nodes {
		r := l.boxes[i]
		fmt.Fprintf(b, "<g class=\"node k-%s\" data-i=\"%d\"><title>%s</title><rect class=\"bx\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\"/>"+
			"<rect class=\"tab\" x=\"%.1f\" y=\"%.1f\" width=\"4\" height=\"%.1f\" rx=\"2\"/><text x=\"%.1f\" y=\"%.1f\">%s</text><text class=\"st\" x=\"%.1f\" y=\"%.1f\">%s</text></g>\n",
			n.Kind, i, escape(oneLine(n.title()+": "+string(n.Kind)+", "+n.Reason)), r.x, r.y, r.w, r.h, r.x+5, r.y+7, r.h-14,
			r.x+16, r.y+18, escape(short(n.title(), titleLen)), r.x+16, r.y+33, escape(subtitle(n)))
	}
}

// curve draws a smooth line through the points: straight across a layer, an S between layers. The first stretch follows the
// trunk, if there is one.
func curve(pts []point, t trunk) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", pts[0].x, pts[0].y)
	for k := 1; k < len(pts); k++ {
		p, q := pts[k-1], pts[k]
		switch {
		case k%2 == 0: // across the layer that a long edge passes
			fmt.Fprintf(&b, "L%.1f %.1f", q.x, q.y)
		case k == 1 && t.over > 0:
			b.WriteString(rounded(p, point{t.x, p.y}, point{t.x, t.top}, point{t.over, t.top}, point{t.over, q.y}, q))
		case k == 1 && t.x > 0:
			b.WriteString(rounded(p, point{t.x, p.y}, point{t.x, q.y}, q))
		default:
			mid := (p.x + q.x) / 2
			fmt.Fprintf(&b, "C%.1f %.1f %.1f %.1f %.1f %.1f", mid, p.y, mid, q.y, q.x, q.y)
		}
	}
	return b.String()
}

// rounded draws a line with round corners, from the first point to the last.
func rounded(pts ...point) string {
	const radius = 8
	var b strings.Builder
	towards := func(a, z point) point { // from corner a, a little towards z
		d := abs(z.x-a.x) + abs(z.y-a.y) // the stretches are level or upright
		if d == 0 {
			return a
		}
		r := min(radius, d/2) / d
		return point{a.x + (z.x-a.x)*r, a.y + (z.y-a.y)*r}
	}
	for k := 1; k < len(pts)-1; k++ {
		in, out := towards(pts[k], pts[k-1]), towards(pts[k], pts[k+1])
		fmt.Fprintf(&b, "L%.1f %.1fQ%.1f %.1f %.1f %.1f", in.x, in.y, pts[k].x, pts[k].y, out.x, out.y)
	}
	last := pts[len(pts)-1]
	fmt.Fprintf(&b, "L%.1f %.1f", last.x, last.y)
	return b.String()
}

// legendBox is the room that the legend takes below the picture.
func (l *layout) legendBox() box {
	return box{w: l.drawLegend(&strings.Builder{}, 0), h: 34}
}

// drawLegend names the colours and strokes that occur, in one line; it returns the width.
func (l *layout) drawLegend(b *strings.Builder, y float64) float64 {
	x := margin
	for _, k := range kinds {
		if l.has(k) {
			fmt.Fprintf(b, "<g class=\"node k-%s\"><rect class=\"bx\" x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"14\" rx=\"3\"/></g><text class=\"st\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
				k, x, y, x+20, y+11, k)
			x += 36 + smallWidth*float64(len(k))
		}
	}
	for _, v := range vias {
		if l.hasVia(v) {
			fmt.Fprintf(b, "<path class=\"edge e-%s\" d=\"M%.1f %.1fh26\"/><text class=\"st\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", v, x, y+7, x+32, y+11, v)
			x += 48 + smallWidth*float64(len(v))
		}
	}
	return x
}

func abs(x float64) float64 { return max(x, -x) }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}
