package progress

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// tty redraws a few lines at the bottom of a terminal.
type tty struct {
	w   io.Writer
	p   *plan.Plan
	opt Options

	mu     sync.Mutex
	m      *model
	notes  []string // to be printed above the live lines
	drawn  []string // the live lines on the screen
	widths []int    // and their widths
	closed bool

	stop, stopped chan struct{}
}

func newTTY(w io.Writer, p *plan.Plan, opt Options) *tty {
	t := &tty{w: w, p: p, opt: opt, m: newModel(p, opt.Now()), stop: make(chan struct{}), stopped: make(chan struct{})}
	if opt.Interval < 0 {
		close(t.stopped)
		return t
	}
	go t.tick()
	return t
}

// tick draws until Close.
func (t *tty) tick() {
	defer close(t.stopped)
	ticker := time.NewTicker(t.opt.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticker.C:
			t.draw()
		}
	}
}

// Event takes an event in; the next drawing shows it.
func (t *tty) Event(e exec.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.m.apply(e, t.opt.Now())
	if e.Type == exec.Message {
		t.notes = append(t.notes, text(e))
	}
}

// Close erases the live lines and prints the summary.
func (t *tty) Close(rep *exec.Report) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.closed = true
	t.mu.Unlock()
	close(t.stop)
	<-t.stopped
	var b strings.Builder
	t.erase(&b, t.opt.Width())
	t.writeNotes(&b)
	for _, l := range summary(t.p, t.m, rep, &t.opt) {
		b.WriteString(l + "\n")
	}
	_, _ = io.WriteString(t.w, b.String())
}

// draw replaces the live lines by the current ones.
func (t *tty) draw() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	width := t.opt.Width()
	now := t.opt.Now()
	t.m.settle(now)
	var lines []string
	var widths []int
	for _, l := range frame(t.m, now, width, t.opt.Height(), &t.opt) {
		lines, widths = append(lines, l.String()), append(widths, l.width)
	}
	if len(t.notes) == 0 && slices.Equal(lines, t.drawn) {
		return
	}
	var b strings.Builder
	if len(t.notes) > 0 {
		t.erase(&b, width)
		t.writeNotes(&b)
	} else {
		t.up(&b, width)
	}
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	t.drawn, t.widths = lines, widths
	_, _ = io.WriteString(t.w, b.String())
}

func (t *tty) writeNotes(b *strings.Builder) {
	for _, n := range t.notes {
		b.WriteString(n + "\n")
	}
	t.notes = nil
}

// up moves the cursor to the first live line. If the terminal became narrower, the lines on it were broken.
func (t *tty) up(b *strings.Builder, width int) {
	rows := 0
	for _, w := range t.widths {
		rows += max(1, (w+width-1)/max(1, width))
	}
	if rows > 0 {
		fmt.Fprintf(b, "\r\x1b[%dA", rows)
	}
}

func (t *tty) erase(b *strings.Builder, width int) {
	t.up(b, width)
	if len(t.widths) > 0 {
		b.WriteString("\x1b[J")
	}
	t.drawn, t.widths = nil, nil
}

// row is one running thing.
type row struct {
	kind, name, where, text string
	color                   style
	began                   time.Time
	log                     *logLines
	logBegan                time.Time
}

// internalAfter is how long a step outside every stage runs before it is shown.
const internalAfter = time.Second

// frame is what the live view shows at a time: at most height-1 lines, of at most width-1 columns, so that neither the
// last line break scrolls nor a full line wraps. The model must be settled.
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
	shown := rows
	if len(rows) > room {
		shown = rows[:max(0, room-1)]
	}
	lines = append(lines, rowLines(shown, now, width, opt)...)
	if len(rows) > len(shown) && room > 0 {
		lines = append(lines, opt.line(width).add(dim, fmt.Sprintf("  and %d more running", len(rows)-len(shown))))
	}
	if fold != nil {
		lines = append(lines, fold)
	}
	for _, l := range slowestLog(rows, min(tailLines, height-len(lines))) {
		lines = append(lines, opt.line(width).add(dim, "  | "+l))
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
func runningRows(m *model, now time.Time) []row {
	var rows []row
	for _, s := range m.stages {
		if s.state != running {
			continue
		}
		st := s.last
		if len(s.active) > 0 {
			st = s.active[0]
		}
		r := row{kind: string(s.kind), name: s.name, where: where(s.platforms), color: kindStyle[s.kind], began: s.first}
		if st != nil {
			r.text, r.log, r.logBegan = st.name, &st.log, st.began
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.began.Compare(b.began) })
	var internal []row
	for _, st := range m.steps {
		if st.running && len(st.stages) == 0 && now.Sub(st.began) > internalAfter {
			internal = append(internal, row{text: st.name, began: st.began})
		}
	}
	slices.SortFunc(internal, func(a, b row) int { return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.text, b.text)) })
	return append(rows, internal...)
}

// narrow is the width below which the view leaves out what it can.
const narrow = 60

// columns are the widths of a row's columns.
type columns struct {
	indent            string
	kind, name, where int
}

const elapsedWidth = 6

func columnsFor(rows []row, width int) columns {
	var c columns
	for _, r := range rows {
		c.kind = max(c.kind, len(r.kind))
		c.name = max(c.name, columnsOf(r.name))
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

func rowLines(rows []row, now time.Time, width int, opt *Options) []*line {
	c := columnsFor(rows, width)
	var lines []*line
	for _, r := range rows {
		l := opt.line(width).add(normal, c.indent).pad(r.color, r.kind, c.kind, false).add(normal, " ")
		l.pad(normal, r.name, c.name, false).add(normal, " ").pad(normal, r.where, c.where, false)
		l.add(normal, " ").pad(normal, short(now.Sub(r.began)), elapsedWidth, true)
		if width-l.width > 8 { // less says nothing
			l.add(normal, "  ").add(normal, r.text)
		}
		lines = append(lines, l)
	}
	return lines
}

// folded is the line for the stages that do not run, as many names as fit.
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
		if list, n := names(m, p.states...); n > 0 {
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

// slowestLog is the end of the log of the step that has been running longest and has printed anything.
func slowestLog(rows []row, n int) []string {
	if n <= 0 {
		return nil
	}
	var best *row
	var lines []string
	for i := range rows {
		r := &rows[i]
		if r.log == nil || best != nil && !r.logBegan.Before(best.logBegan) {
			continue
		}
		if recent := r.log.recent(n); len(recent) > 0 {
			best, lines = r, recent
		}
	}
	return lines
}
