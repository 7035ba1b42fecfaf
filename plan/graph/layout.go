package graph

import (
	"cmp"
	"math"
	"slices"
)

// The measures of the picture, in pixels.
const (
	nodeHeight = 42.0
	rowGap     = 10.0 // between nodes of one layer
	bendHeight = 8.0  // a long edge where it passes a layer
	layerGap   = 90.0 // between layers, for the edges
	groupPad   = 14.0
	groupTitle = 24.0
	groupGap   = 18.0
	margin     = 20.0
	charWidth  = 7.3 // of the title, generous for any sans-serif font at 13 px
	smallWidth = 6.3 // of the second line, at 11 px
	minWidth   = 120.0
	trunkGap   = 7.0

	trunksAbreast = 9 // in one gap; further ones share
	topsAbreast   = 6 // above the bands
	corridor      = 24.0
	columnGap     = 26.0
	wrapAbove     = 2400.0 // height from which on bands stand in columns
	screenShape   = 1.6
	sweeps        = 8
	settleLoops   = 6
)

// layout is the model with coordinates: layers from left to right, one band a group from top to bottom.
type layout struct {
	*model
	boxes  []box // of the nodes, in their order
	bands  []box // of the groups, in their order; zero for an empty group
	routes [][]point
	trunks []trunk // of the edges
	width  float64
	height float64
}

type box struct{ x, y, w, h float64 }

type point struct{ x, y float64 }

// trunk is the way of an edge that leaves its band: down the gap at x; to a band of another column, up the gap, along the
// top and down again at over. The zero value is for edges within a band.
type trunk struct{ x, top, over float64 }

// item is a node, or a bend of a long edge, in one layer of one band.
type item struct {
	node         int // -1 for a bend
	layer, group int
	w, h, y      float64 // y is the centre
	prev, next   []int   // neighbours within the band
	order        float64
}

// place computes the layout: layers by longest path, order within layers by barycentre, then positions.
func place(m *model) *layout {
	l := &layout{model: m, width: 2 * margin, height: 2 * margin}
	if len(m.nodes) == 0 {
		l.bands = make([]box, len(m.groups))
		return l
	}
	layer := layers(m)
	items, routes := l.items(layer)
	l.boxes, l.bands = make([]box, len(m.nodes)), make([]box, len(m.groups))
	rows := make([][][]int, len(m.groups))
	tops := make([]float64, len(m.groups))
	for g := range m.groups {
		if len(m.groups[g].nodes) == 0 {
			continue
		}
		rows[g] = byLayer(items, g)
		order(items, rows[g])
		top, bottom := settle(items, rows[g])
		tops[g], l.bands[g].h = top, bottom-top+groupTitle+groupPad*1.5
	}
	left, widths := layerColumns(items)
	l.stack(left[len(left)-1] + widths[len(widths)-1] + groupPad - margin)
	for g := range rows {
		for _, row := range rows[g] {
			for _, i := range row {
				items[i].y += l.bands[g].y + groupTitle + groupPad/2 - tops[g]
			}
		}
	}
	l.finish(items, routes, left, widths)
	return l
}

// stack puts the bands below each other, and those of a large plan in several columns, so that the whole of it has about the
// shape of a screen.
func (l *layout) stack(width float64) {
	total, tallest := 0.0, 0.0
	for _, b := range l.bands {
		if b.h > 0 {
			total, tallest = total+b.h+groupGap, max(tallest, b.h)
		}
	}
	n := 1.0
	if total > wrapAbove {
		n = max(1, math.Round(math.Sqrt(screenShape*total/(width+columnGap))))
	}
	top := margin
	if n > 1 {
		top += corridor
	}
	limit := top + max(total/n, tallest) + groupGap
	x, y := margin, top
	for g := range l.bands {
		b := &l.bands[g]
		if b.h == 0 {
			continue
		}
		if y > top && y+b.h > limit {
			x, y = x+width+columnGap, top
		}
		b.x, b.y, b.w = x, y, width
		y += b.h + groupGap
		l.width, l.height = max(l.width, x+width+margin), max(l.height, y-groupGap+margin)
	}
}

// layers puts each node one layer after the last of its needs. Needs come first in a plan, so one pass is enough.
func layers(m *model) []int {
	layer := make([]int, len(m.nodes))
	needs := make([][]int, len(m.nodes))
	for _, e := range m.edges {
		needs[e.to] = append(needs[e.to], e.from)
	}
	for i := range m.nodes {
		for _, n := range needs[i] {
			layer[i] = max(layer[i], layer[n]+1)
		}
	}
	return layer
}

// items makes the nodes and the bends of edges that pass layers. A bend belongs to the band of the edge's user. Routes are
// the items that each edge passes, ends included.
func (l *layout) items(layer []int) ([]item, [][]int) {
	var items []item
	for i, n := range l.nodes {
		w := max(minWidth, charWidth*float64(len([]rune(short(n.title(), titleLen)))), smallWidth*float64(len([]rune(subtitle(n))))) + 28
		items = append(items, item{node: i, layer: layer[i], group: n.group, w: w, h: nodeHeight, order: float64(i)})
	}
	var routes [][]int
	for _, e := range l.edges {
		route := []int{e.from}
		for at := layer[e.from] + 1; at < layer[e.to]; at++ {
			items = append(items, item{node: -1, layer: at, group: l.nodes[e.to].group, h: bendHeight, order: float64(e.to)})
			route = append(route, len(items)-1)
		}
		route = append(route, e.to)
		for k := 1; k < len(route); k++ {
			a, b := route[k-1], route[k]
			if items[a].group == items[b].group {
				items[a].next = append(items[a].next, b)
				items[b].prev = append(items[b].prev, a)
			}
		}
		routes = append(routes, route)
	}
	return items, routes
}

// byLayer lists the items of a band, layer by layer, in their first order: that of the plan.
func byLayer(items []item, group int) [][]int {
	var rows [][]int
	for i, it := range items {
		if it.group != group {
			continue
		}
		for len(rows) <= it.layer {
			rows = append(rows, nil)
		}
		rows[it.layer] = append(rows[it.layer], i)
	}
	for _, row := range rows {
		slices.SortStableFunc(row, func(a, b int) int { return cmp.Compare(items[a].order, items[b].order) })
	}
	return rows
}

// order sorts each layer by the mean position of its neighbours, forth and back, so that few edges cross.
func order(items []item, rows [][]int) {
	pos := make(map[int]float64)
	number := func(row []int) {
		for k, i := range row {
			pos[i] = (float64(k) + 0.5) / float64(len(row))
		}
	}
	for _, row := range rows {
		number(row)
	}
	for s := range sweeps {
		for k := range rows {
			row, side := rows[k], func(it item) []int { return it.prev }
			if s%2 == 1 {
				row, side = rows[len(rows)-1-k], func(it item) []int { return it.next }
			}
			key := map[int]float64{}
			for _, i := range row {
				key[i] = mean(side(items[i]), pos, pos[i])
			}
			slices.SortStableFunc(row, func(a, b int) int { return cmp.Compare(key[a], key[b]) })
			number(row)
		}
	}
}

func mean(of []int, value map[int]float64, none float64) float64 {
	if len(of) == 0 {
		return none
	}
	sum := 0.0
	for _, i := range of {
		sum += value[i]
	}
	return sum / float64(len(of))
}

// settle gives the items of a band their height: near their neighbours, without overlap, in the order of their layer. It
// returns where the band begins and ends.
func settle(items []item, rows [][]int) (top, bottom float64) {
	for _, row := range rows {
		y := 0.0
		for _, i := range row {
			items[i].y = y + items[i].h/2
			y += items[i].h + rowGap
		}
	}
	for s := range settleLoops {
		for k := range rows {
			row := rows[k]
			if s%2 == 0 {
				row = rows[len(rows)-1-k]
			}
			spread(items, row)
		}
	}
	first := true
	for _, row := range rows {
		for _, i := range row {
			a, b := items[i].y-items[i].h/2, items[i].y+items[i].h/2
			if first {
				top, bottom, first = a, b, false
			}
			top, bottom = min(top, a), max(bottom, b)
		}
	}
	return top, bottom
}

// spread moves the items of one layer towards the middle of their neighbours. Runs of items that would overlap become
// blocks that stand where the mean of their wishes is.
func spread(items []item, row []int) {
	type block struct {
		first, n  int
		wish, len float64 // wish is the sum of the wished tops of the block
	}
	var blocks []block
	for k, i := range row {
		it := items[i]
		near := slices.Concat(it.prev, it.next)
		want := it.y
		if len(near) > 0 {
			want = 0
			for _, n := range near {
				want += items[n].y / float64(len(near))
			}
		}
		blocks = append(blocks, block{first: k, n: 1, wish: want - it.h/2, len: it.h + rowGap})
		for len(blocks) > 1 {
			a, b := blocks[len(blocks)-2], blocks[len(blocks)-1]
			if a.wish/float64(a.n)+a.len <= b.wish/float64(b.n) {
				break
			}
			a.wish += b.wish - a.len*float64(b.n)
			a.n, a.len = a.n+b.n, a.len+b.len
			blocks = append(blocks[:len(blocks)-2], a)
		}
	}
	for _, b := range blocks {
		y := b.wish / float64(b.n)
		for _, i := range row[b.first : b.first+b.n] {
			items[i].y = y + items[i].h/2
			y += items[i].h + rowGap
		}
	}
}

// layerColumns gives each layer its place from left to right, in the first column of bands.
func layerColumns(items []item) (left, widths []float64) {
	for _, it := range items {
		for len(widths) <= it.layer {
			widths = append(widths, 0)
		}
		widths[it.layer] = max(widths[it.layer], it.w)
	}
	x := margin + groupPad
	for _, w := range widths {
		left = append(left, x)
		x += w + layerGap
	}
	return left, widths
}

// finish fills in the boxes of the nodes and the ways of the edges.
func (l *layout) finish(items []item, routes [][]int, left, widths []float64) {
	column := func(it item) float64 { return l.bands[it.group].x - margin }
	for _, it := range items {
		if it.node >= 0 {
			l.boxes[it.node] = box{column(it) + left[it.layer], it.y - it.h/2, widths[it.layer], it.h}
		}
	}
	for _, r := range routes {
		var pts []point
		for k, i := range r {
			it := items[i]
			if k > 0 {
				pts = append(pts, point{column(it) + left[it.layer], it.y})
			}
			if k < len(r)-1 {
				pts = append(pts, point{column(it) + left[it.layer] + widths[it.layer], it.y})
			}
		}
		l.routes = append(l.routes, pts)
	}
	l.trunks = trunks(routes, items, column, func(layer int) float64 { return left[layer] + widths[layer] })
}

// trunks gives all edges that leave a node for other bands one line to follow down the gap between two layers: a base of
// many targets would fill the gap otherwise.
func trunks(routes [][]int, items []item, column func(item) float64, right func(layer int) float64) []trunk {
	out := make([]trunk, len(routes))
	gaps := map[int]float64{} // by the node that the edges leave: its line within the gap
	tops := map[int]float64{}
	used := map[int]int{} // lines in the gap after each layer
	for k, r := range routes {
		from, to := items[r[0]], items[r[1]]
		if from.group == to.group {
			continue
		}
		if _, ok := gaps[r[0]]; !ok {
			n := used[from.layer] % trunksAbreast
			gaps[r[0]] = layerGap/2 + trunkGap*float64(n-trunksAbreast/2)
			tops[r[0]] = margin/2 + float64(len(tops)%topsAbreast)*corridor/topsAbreast
			used[from.layer]++
		}
		t := trunk{x: column(from) + right(from.layer) + gaps[r[0]]}
		if column(from) != column(to) {
			t.top, t.over = tops[r[0]], column(to)+right(to.layer-1)+gaps[r[0]]
		}
		out[k] = t
	}
	return out
}
