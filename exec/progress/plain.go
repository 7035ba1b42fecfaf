package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// plain writes one line for everything of note, in the order in which it happens.
type plain struct {
	w   io.Writer
	p   *plan.Plan
	opt Options

	mu     sync.Mutex
	m      *model
	closed bool
}

func newPlain(w io.Writer, p *plan.Plan, opt Options) *plain {
	return &plain{w: w, p: p, opt: opt, m: newModel(p, opt.Now())}
}

// internalSlow is how long a step outside every stage must have run to be worth a line.
const internalSlow = time.Second

// Event prints what the event says.
func (d *plain) Event(e exec.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	exporting := d.m.exporting
	st, logs := d.m.apply(e, d.opt.Now())
	var b strings.Builder
	switch {
	case e.Type == exec.Message && text(e) != "":
		b.WriteString(text(e) + "\n")
	case e.Type == exec.Exporting && d.m.exporting != exporting:
		b.WriteString(d.m.exporting + "\n")
	case st == nil:
		return
	case len(st.stages) > 0 && len(logs) > 0:
		prefix := d.label(st, true)
		for _, l := range logs {
			fmt.Fprintf(&b, "[%s] %s\n", prefix, l)
		}
	}
	if st != nil && e.Type == exec.StepDone {
		b.WriteString(d.finished(st, e))
	}
	if b.Len() > 0 {
		_, _ = io.WriteString(d.w, b.String())
	}
}

// finished is the line for a step that is over.
func (d *plain) finished(st *step, e exec.Event) string {
	bad := e.Err != ""
	slow := took(e) > internalSlow
	if !bad && !slow && (st.shown || len(st.stages) == 0) || st.shown && e.Started.Equal(st.shownStart) {
		return "" // the daemon may look a step up first and report it again when it really runs
	}
	st.shown, st.shownStart = true, e.Started
	how := short(took(e))
	switch {
	case bad && canceled(e.Err):
		how = "CANCELED " + how
	case bad:
		how = "FAILED " + how
	case e.Cached:
		how = "CACHED"
	}
	if len(st.stages) == 0 {
		if strings.HasPrefix(st.name, "[") {
			return fmt.Sprintf("%s %s\n", st.name, how)
		}
		return fmt.Sprintf("[internal] %s %s\n", st.name, how)
	}
	return fmt.Sprintf("[%s] %s %s\n", d.label(st, false), st.name, how)
}

// label names a step's stages, platforms and kinds. The brief form is for logs: it counts platforms and leaves out kinds.
func (d *plain) label(st *step, brief bool) string {
	var names, platforms, kinds []string
	for _, s := range st.stages {
		names = addNew(names, s.name)
		kinds = addNew(kinds, string(s.kind))
		for _, p := range s.platforms {
			platforms = addNew(platforms, p)
		}
	}
	const many = 3 // names that a line can bear
	if n := len(names) - many; n > 0 {
		names = append(names[:many:many], fmt.Sprintf("%d more", n))
	}
	parts := []string{strings.Join(names, ",")}
	if brief {
		parts = append(parts, where(platforms))
	} else {
		parts = append(parts, strings.Join(platforms, ","), strings.Join(kinds, ","))
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// Close prints the summary.
func (d *plain) Close(rep *exec.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	for _, l := range summary(d.p, d.m, rep, &d.opt) {
		_, _ = io.WriteString(d.w, l+"\n")
	}
}
