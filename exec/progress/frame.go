package progress

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xbuild/xbuild/plan"
)

// row is one running thing.
type row struct {
	kind, target, title, where, text string
	color                            style
	began                            time.Time
	log                              *logLines
	logBegan                         time.Time
}

// name is the row's name outside of its group.
func (r *row) name() string {
	if r.target == "" || r.target == r.title {
		return r.title
	}
	return r.target + " " + r.title
}

// internalAfter is how long a step outside every stage runs before it is shown.
const internalAfter = time.Second

// frame is what the live view shows at a time: at most height-1 lines, of at most width-1 columns, so that neither the
// last line break scrolls nor a full line wraps. The model must be settled.
//
// From top to bottom: the run as a whole; what runs, by target, the longest running first; what does not run, in one line; the
// end of the log of the stage that has been running longest. The log gets a quarter of the lines, and what is left over.
func frame(m *model, now time.Time, width, height int, opt *Options) []*line {
	width, height = max(1, width-1), max(1, height-1)
	lines := []*line{header(m, now, width, opt)}
	rows := runningRows(m, now)
	fold := folded(m, width, opt)
	room := height - len(lines)
	if fold != nil && room > 1 {
		room--
	} else {
		fold = nil
	}
	log, of := slowestLog(rows)
	reserve := 0
	if of != nil {
		reserve = min(len(log)+1, height/4)
	}
	shown := groupLines(grouped(m, rows), max(min(1, room), room-reserve), now, width, opt)
	lines = append(lines, shown...)
	if fold != nil {
		lines = append(lines, fold)
	}
	if room = height - len(lines); of != nil && room > 0 {
		if len(rows) > 1 && room > 1 {
			lines = append(lines, opt.line(width).add(dim, "  log of "+strings.TrimSpace(of.name()+" "+of.where)+":"))
			room--
		}
		for _, l := range log[max(0, len(log)-room):] {
			lines = append(lines, opt.line(width).add(dim, "  | "+l))
		}
	}
	return lines
}

func header(m *model, now time.Time, width int, opt *Options) *line {
	var n [failed + 1]int
	for _, s := range m.stages {
		n[s.state]++
	}
	elapsed := "  " + short(now.Sub(m.start))
	l := opt.line(max(0, width-len(elapsed))).add(bold, "xbuild: ")
	if width < narrow {
		l.add(normal, fmt.Sprintf("%d/%d done", n[done]+n[cached], len(m.stages)))
	} else {
		l.add(normal, fmt.Sprintf("%d of %s done", n[done]+n[cached], plural(len(m.stages), "stage")))
		if n[cached] > 0 {
			l.add(normal, fmt.Sprintf(" (%d cached)", n[cached]))
		}
	}
	if n[running] > 0 {
		l.add(normal, fmt.Sprintf(", %d running", n[running]))
	}
	if n[failed] > 0 {
		l.add(normal, ", ").add(red, fmt.Sprintf("%d failed", n[failed]))
	}
	if m.exporting != "" {
		l.add(normal, ", "+m.exporting)
	}
	l.max = width
	return l.add(normal, elapsed)
}

// kindStyle is the colour of a kind's name.
var kindStyle = map[plan.Kind]style{plan.Shared: cyan, plan.Cross: green, plan.Native: blue, plan.Emulated: yellow,
	plan.Assembled: dim, plan.Opaque: magenta}

// runningRows lists what runs: the stages, those that began first in front, then steps outside every stage.
func runningRows(m *model, now time.Time) []*row {
	var rows []*row
	for _, s := range m.stages {
		if s.state != running {
			continue
		}
		st := s.last
		if len(s.active) > 0 {
			st = s.active[0]
		}
		r := &row{kind: string(s.kind), title: s.title, where: where(s.platforms), color: kindStyle[s.kind], began: s.first}
		switch {
		case !m.several:
		case len(s.targets) == 1:
			r.target = s.targets[0]
		default:
			r.target = plural(len(s.targets), "target")
		}
		if st != nil {
			r.text, r.log, r.logBegan = st.name, &st.log, st.began
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b *row) int { return a.began.Compare(b.began) })
	var internal []*row
	for _, st := range m.steps {
		if st.running && len(st.stages) == 0 && now.Sub(st.began) > internalAfter {
			internal = append(internal, &row{text: st.name, began: st.began})
		}
	}
	slices.SortFunc(internal, func(a, b *row) int { return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.text, b.text)) })
	return append(rows, internal...)
}

// rowGroup is what runs of one target.
type rowGroup struct {
	title string // empty if the rows stand for themselves
	rows  []*row
}

// grouped puts rows of one target together, in the order of the first row of each. Of a plan with one target every row is a
// group.
func grouped(m *model, rows []*row) []rowGroup {
	var out []rowGroup
	at := map[string]int{}
	for _, r := range rows {
		i, ok := at[r.target]
		if !ok || r.target == "" {
			at[r.target] = len(out)
			out = append(out, rowGroup{title: r.target, rows: []*row{r}})
			continue
		}
		out[i].rows = append(out[i].rows, r)
	}
	for i := range out {
		if t := m.targets[out[i].title]; t != nil {
			over := 0
			for _, s := range t {
				if s.state == done || s.state == cached {
					over++
				}
			}
			out[i].title += fmt.Sprintf("  %d of %s done", over, plural(len(t), "stage"))
		}
	}
	return out
}

// groupLines shows groups in at most room lines: each in one line if it must be, with its longest running stage, and in full as
// long as there is room.
func groupLines(groups []rowGroup, room int, now time.Time, width int, opt *Options) []*line {
	shown := groups
	if len(groups) > room {
		shown = groups[:max(0, room-1)]
	}
	free := room - len(shown)
	if len(shown) < len(groups) {
		free--
	}
	full := make([]bool, len(shown))
	var all []*row
	for i, g := range shown {
		if n := len(g.rows); n > 1 && n <= free {
			full[i] = true
			free -= n
			all = append(all, g.rows...)
		} else {
			all = append(all, g.rows[0])
		}
	}
	c := columnsFor(all, width)
	var lines []*line
	for i, g := range shown {
		if !full[i] {
			r := *g.rows[0]
			if more := len(g.rows) - 1; more > 0 {
				r.text = fmt.Sprintf("(and %d more) %s", more, r.text)
			}
			lines = append(lines, rowLine(&r, r.name(), c, now, width, opt))
			continue
		}
		lines = append(lines, opt.line(width).add(normal, c.indent).add(bold, g.title))
		in := c
		if c.indent != "" {
			in.indent += "  "
			in.name = max(0, in.name-2)
		}
		for _, r := range g.rows {
			lines = append(lines, rowLine(r, r.title, in, now, width, opt))
		}
	}
	if rest := groups[len(shown):]; len(rest) > 0 && room > 0 {
		n, targets := 0, 0
		for _, g := range rest {
			n += len(g.rows)
			if g.title != "" {
				targets++
			}
		}
		text := fmt.Sprintf("  and %d more running", n)
		if targets > 1 {
			text += " in " + plural(targets, "target")
		}
		lines = append(lines, opt.line(width).add(dim, text))
	}
	return lines
}

// narrow is the width below which the view leaves out what it can.
const narrow = 60

// columns are the widths of a row's columns.
type columns struct {
	indent            string
	kind, name, where int
}

const elapsedWidth = 6

func columnsFor(rows []*row, width int) columns {
	var c columns
	for _, r := range rows {
		c.kind = max(c.kind, len(r.kind))
		c.name = max(c.name, columnsOf(r.name()))
		c.where = max(c.where, len(r.where))
	}
	if width >= narrow {
		c.indent, c.kind, c.name = "  ", len(plan.Assembled), min(c.name, width/4)
		return c
	}
	// All that a row needs; the step is left out.
	c.where = min(c.where, 12)
	c.name = max(0, min(c.name, width-c.kind-c.where-elapsedWidth-3))
	return c
}

func rowLine(r *row, name string, c columns, now time.Time, width int, opt *Options) *line {
	l := opt.line(width).add(normal, c.indent).pad(r.color, r.kind, c.kind, false).add(normal, " ")
	l.pad(normal, name, c.name, false).add(normal, " ").pad(normal, r.where, c.where, false)
	l.add(normal, " ").pad(normal, short(now.Sub(r.began)), elapsedWidth, true)
	if width-l.width > 8 { // less says nothing
		l.add(normal, "  ").add(normal, r.text)
	}
	return l
}

// folded is the line for what does not run: stages, or targets where there are several; as many names as fit.
func folded(m *model, width int, opt *Options) *line {
	type part struct {
		title string
		color style
		names string
		n     int
	}
	var parts []part
	for _, p := range []struct {
		title  string
		color  style
		states []state
	}{{"failed: ", red, []state{failed}}, {"done: ", green, []state{done, cached}}, {"waiting: ", yellow, []state{waiting}}} {
		list, n := names(m, p.states...)
		if m.several {
			list, n = targetNames(m, p.states...)
		}
		if n > 0 {
			parts = append(parts, part{p.title, p.color, list, n})
		}
	}
	if len(parts) == 0 {
		return nil
	}
	l := opt.line(width).add(normal, "  ")
	if width < narrow && len(parts) > 1 { // not enough room for names
		for i, p := range parts {
			parts[i].names = strconv.Itoa(p.n)
		}
	}
	for i, p := range parts {
		if i > 0 {
			l.add(normal, "; ")
		}
		// What is left is shared among the parts still to come.
		rest := 0
		for _, q := range parts[i+1:] {
			rest += len("; ") + len(q.title)
		}
		free := max(0, width-l.width-len(p.title)-rest) / (len(parts) - i)
		l.add(p.color, p.title).add(dim, opt.cut(p.names, free))
	}
	return l
}

// names lists the stages in some states, each name once with the number of its instances, and counts them.
func names(m *model, in ...state) (string, int) {
	var order []string
	count := map[string]int{}
	n := 0
	for _, s := range m.stages {
		if !slices.Contains(in, s.state) {
			continue
		}
		n++
		if count[s.name]++; count[s.name] == 1 {
			order = append(order, s.name)
		}
	}
	for i, name := range order {
		if c := count[name]; c > 1 {
			order[i] = fmt.Sprintf("%s x%d", name, c)
		}
	}
	return strings.Join(order, ", "), n
}

// fewNames is how many targets the folded line names; more are counted, except those that failed.
const fewNames = 4

// targetNames lists the targets in some states, and counts them. A target has failed if a stage of it has, and it waits if it
// is not done and nothing of it runs.
func targetNames(m *model, in ...state) (string, int) {
	var list []string
	for _, name := range m.order {
		var n [failed + 1]int
		for _, s := range m.targets[name] {
			n[s.state]++
		}
		st := waiting
		switch {
		case n[failed] > 0:
			st = failed
		case n[running] > 0:
			st = running
		case n[waiting] == 0:
			st = done
		}
		if slices.Contains(in, st) {
			list = append(list, name)
		}
	}
	if len(list) > fewNames && !slices.Contains(in, failed) {
		return plural(len(list), "target"), len(list)
	}
	return strings.Join(list, ", "), len(list)
}

// slowestLog is the end of the log of the step that has been running longest and has printed anything.
func slowestLog(rows []*row) (lines []string, of *row) {
	for _, r := range rows {
		if r.log == nil || of != nil && !r.logBegan.Before(of.logBegan) {
			continue
		}
		if recent := r.log.recent(tailLines); len(recent) > 0 {
			of, lines = r, recent
		}
	}
	return lines, of
}
