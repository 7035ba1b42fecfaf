package progress

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/printable"
	"github.com/xbuild/xbuild/plan"
)

// groups prints what plain does, one foldable group a stage. A log has one group open at a time, and stages run at the same
// time: the group of one that runs is open and grows as it works; what the others say waits until that one is over. Then the
// groups of those that are over too are printed whole, and the one that has been running longest is opened.
type groups struct {
	w   io.Writer
	p   *plan.Plan
	opt Options
	fold

	mu     sync.Mutex
	plain  *plain // it knows what to say, and prints nothing
	all    []*group
	open   *group
	loose  []string // what belongs to no stage, and waits
	closed bool
}

// group is a set of stages that have a step in common, in most cases one stage.
type group struct {
	key, title string
	stages     []*stage
	lines      []string
	began      time.Time
	failed     bool
	parts      int // how often it was printed
}

// fold is a CI service's way to mark groups, and to keep logs from giving it orders.
type fold struct {
	begin func(n int, at time.Time, title string, failed bool) string
	end   func(n int, at time.Time) string
	guard func(line string) string
}

var githubFold = fold{
	begin: func(_ int, _ time.Time, title string, _ bool) string { return "::group::" + title + "\n" },
	end:   func(int, time.Time) string { return "::endgroup::\n" },
	guard: func(l string) string { return NoCommands(clean(l)) },
}

// NoCommands changes text for the log of a GitHub job so that no line of it is an order to the runner, which obeys
// "::command::" at the beginning of a line and "##[command]" anywhere.
func NoCommands(text string) string {
	if !strings.Contains(text, "::") && !strings.Contains(text, "##[") {
		return text
	}
	lines := strings.Split(strings.ReplaceAll(text, "##[", "## ["), "\n")
	for i, l := range lines {
		if strings.HasPrefix(strings.TrimSpace(l), "::") {
			lines[i] = "| " + l
		}
	}
	return strings.Join(lines, "\n")
}

// GitLab's marks are escape sequences, of which no line has any.
var gitlabFold = fold{
	begin: func(n int, at time.Time, title string, failed bool) string {
		return fmt.Sprintf("\x1b[0Ksection_start:%d:xbuild_%d[collapsed=%t]\r\x1b[0K%s\n", at.Unix(), n, !failed, title)
	},
	end: func(n int, at time.Time) string {
		return fmt.Sprintf("\x1b[0Ksection_end:%d:xbuild_%d\r\x1b[0K\n", at.Unix(), n)
	},
	guard: clean,
}

func newGroups(w io.Writer, p *plan.Plan, opt Options, mode Mode) *groups {
	g := &groups{w: printable.Raw(w), p: p, opt: opt, fold: githubFold, plain: newPlain(io.Discard, p, opt)}
	if mode == GitLab {
		g.fold = gitlabFold
	}
	return g
}

// Event prints or keeps what the event says.
func (g *groups) Event(e exec.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	st, logs, done := g.plain.take(e)
	var b strings.Builder
	switch {
	case st != nil && len(st.stages) > 0:
		gr := g.group(st)
		gr.failed = gr.failed || e.Type == exec.StepDone && e.Err != "" && !canceled(e.Err)
		for _, l := range logs {
			g.say(&b, gr, "| "+l)
		}
		if done != "" {
			g.say(&b, gr, done)
		}
	case done != "":
		if st != nil {
			done = internal(done)
		}
		g.loose = append(g.loose, done)
	}
	g.turn(&b)
	g.write(&b)
}

// group is the one that a step belongs to.
func (g *groups) group(st *step) *group {
	title := printable.Line(clean(g.plain.label(st, false)))
	for _, gr := range g.all {
		if gr.key == title {
			return gr
		}
	}
	gr := &group{key: title, title: title, stages: slices.Clone(st.stages), began: g.opt.Now()}
	g.all = append(g.all, gr)
	return gr
}

// say prints a line of the open group, and keeps one of another.
func (g *groups) say(b *strings.Builder, gr *group, line string) {
	line = g.guard(line)
	if gr == g.open {
		b.WriteString(line + "\n")
		return
	}
	gr.lines = append(gr.lines, line)
}

// turn closes the open group if its stages are over, and opens another one.
func (g *groups) turn(b *strings.Builder) {
	now := g.opt.Now()
	g.plain.m.settle(now)
	if g.open != nil && g.open.busy() {
		return
	}
	g.end(b)
	for _, l := range g.loose {
		b.WriteString(g.guard(l) + "\n")
	}
	g.loose = nil
	var next *group
	for _, gr := range g.all {
		switch {
		case len(gr.lines) == 0:
		case gr.over():
			g.start(b, gr)
			g.end(b)
		case next == nil && gr.busy():
			next = gr
		}
	}
	if next != nil {
		g.start(b, next)
	}
}

// busy reports whether a stage of the group works, over whether none has anything to do any more. Between its steps a stage may
// be neither.
func (gr *group) busy() bool {
	return slices.ContainsFunc(gr.stages, func(s *stage) bool { return s.state == running })
}

func (gr *group) over() bool {
	return !slices.ContainsFunc(gr.stages, func(s *stage) bool { return s.state == running || s.state == waiting })
}

func (g *groups) start(b *strings.Builder, gr *group) {
	title := gr.title
	if gr.parts++; gr.parts > 1 {
		title += " (continued)"
	}
	if gr.failed {
		title += " FAILED"
	}
	g.open = gr
	b.WriteString(g.begin(g.number(gr), g.opt.Now(), title, gr.failed))
	for _, l := range gr.lines {
		b.WriteString(l + "\n")
	}
	gr.lines = nil
}

func (g *groups) end(b *strings.Builder) {
	if g.open != nil {
		b.WriteString(g.fold.end(g.number(g.open), g.opt.Now()))
		g.open = nil
	}
}

// number identifies one printed part of a group.
func (g *groups) number(gr *group) int {
	const parts = 1000
	return (slices.Index(g.all, gr)+1)*parts + gr.parts
}

// Close prints what is left, and the summary.
func (g *groups) Close(rep *exec.Report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	var b strings.Builder
	g.end(&b)
	for _, gr := range g.all {
		if len(gr.lines) > 0 {
			g.start(&b, gr)
			g.end(&b)
		}
	}
	for _, l := range g.loose {
		b.WriteString(g.guard(l) + "\n")
	}
	for _, l := range summary(g.p, g.plain.m, rep, &g.opt) { // with its own colours
		b.WriteString(NoCommands(l) + "\n")
	}
	g.write(&b)
}

func (g *groups) write(b *strings.Builder) {
	if b.Len() > 0 {
		_, _ = io.WriteString(g.w, b.String())
	}
}
