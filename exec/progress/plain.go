package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/printable"
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
	st, logs, done := d.take(e)
	var b strings.Builder
	if st == nil && done != "" {
		b.WriteString(done + "\n")
	} else if st != nil {
		if len(logs) > 0 {
			prefix := d.label(st, true)
			for _, l := range logs {
				fmt.Fprintf(&b, "[%s] %s\n", prefix, l)
			}
		}
		switch {
		case done == "":
		case len(st.stages) > 0:
			fmt.Fprintf(&b, "[%s] %s\n", d.label(st, false), done)
		default:
			b.WriteString(internal(done) + "\n")
		}
	}
	if b.Len() > 0 {
		_, _ = io.WriteString(d.w, b.String())
	}
}

// take gives what is to be said of an event: the lines of log that it completes, if the step is of a stage, and how its step ended.
// Without a step it is a remark on the run.
func (d *plain) take(e exec.Event) (st *step, logs []string, done string) {
	exporting := d.m.exporting
	st, logs = d.m.apply(e, d.opt.Now())
	switch {
	case e.Type == exec.Message:
		return nil, nil, text(e)
	case e.Type == exec.Exporting && d.m.exporting != exporting:
		return nil, nil, d.m.exporting
	case st == nil:
		return nil, nil, ""
	case len(st.stages) == 0:
		logs = nil
	}
	if e.Type == exec.StepDone {
		done = finished(st, e)
	}
	return st, logs, done
}

// internal marks the end of a step outside every stage.
func internal(done string) string {
	if strings.HasPrefix(done, "[") {
		return done
	}
	return "[internal] " + done
}

// finished says how a step ended; empty if that is not worth a line.
func finished(st *step, e exec.Event) string {
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
	return st.name + " " + how
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
		_, _ = io.WriteString(printable.Raw(d.w), l+"\n") // a line has its own colours
	}
}
