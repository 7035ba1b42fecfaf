package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// totals is what a run did as a whole.
type totals struct {
	counts
	shared   int           // stages that ran or were cached once for several targets or platforms
	emulated time.Duration // that steps ran under emulation, added up
}

func totalsOf(p *plan.Plan, rep *exec.Report) totals {
	var t totals
	stages := map[string]*plan.Stage{}
	for i := range p.Stages {
		stages[p.Stages[i].ID] = &p.Stages[i]
	}
	for _, o := range rep.Outcomes {
		t.add(o.State)
		s := stages[o.Stage]
		if s == nil {
			continue
		}
		if len(s.For) > 1 && (o.State == exec.Done || o.State == exec.CachedOut) {
			t.shared++
		}
		if s.Kind == plan.Emulated {
			t.emulated += o.Busy
		}
	}
	return t
}

// String is the counts, with what was shared and emulated.
func (t totals) String() string {
	s := t.counts.String()
	if t.shared > 0 {
		head, tail, _ := strings.Cut(s, ": ")
		s = fmt.Sprintf("%s (%d shared): %s", head, t.shared, tail)
	}
	if t.emulated > 0 {
		s += fmt.Sprintf("; %s emulated", short(t.emulated))
	}
	return s
}

// Size writes a number of bytes for people: 999 B, 12.3 kB, 4.5 GB.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= 999.95 && unit < len(units)-1 {
		f /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}

var units = []string{"B", "kB", "MB", "GB", "TB"}
