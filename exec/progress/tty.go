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
	t := &tty{w: printable.Raw(w), p: p, opt: opt, m: newModel(p, opt.Now()), stop: make(chan struct{}), stopped: make(chan struct{})}
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
		b.WriteString(printable.Line(n) + "\n")
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
