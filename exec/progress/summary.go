package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// summary is one line for each requested target: how it ended, for how many platforms, when it was ready, and what
// became of its stages; and if there are several, one for the run as a whole. Without a report there is none.
func summary(p *plan.Plan, m *model, rep *exec.Report, opt *Options) []string {
	if rep == nil {
		return nil
	}
	targets := requested(p)
	nameWidth, whereWidth := 0, 0
	for _, t := range targets {
		nameWidth = max(nameWidth, columnsOf(t.Name))
		whereWidth = max(whereWidth, len(where(t.Platforms)))
	}
	states := statesOf(rep)
	var out []string
	for _, t := range targets {
		n := countsOf(p, t, states)
		var ended time.Time
		for i := range p.Stages {
			if at := m.stages[i].ended; uses(&p.Stages[i], t) && at.After(ended) {
				ended = at
			}
		}
		took := max(0, ended.Sub(m.start))
		if len(targets) == 1 {
			took = rep.Wall // writing the results included
		}
		const unlimited = 1 << 20
		l := opt.line(unlimited)
		mark, st := opt.mark(t, rep, n)
		l.add(st, mark).add(normal, " ").pad(bold, t.Name, nameWidth, false).add(normal, "  ")
		l.pad(normal, where(t.Platforms), whereWidth, false).add(normal, "  ").pad(normal, short(took), 6, true)
		if len(targets) == 1 {
			l.add(normal, "  "+totalsOf(p, rep).String())
		} else {
			l.add(normal, "  "+n.String())
		}
		if rep.Err != nil && n.built() && len(t.Outputs) > 0 {
			l.add(normal, "; not written")
		}
		if missing := missing(t, rep); rep.Err == nil && missing != "" {
			l.add(yellow, "; without "+missing)
		}
		out = append(out, l.String())
	}
	if len(targets) > 1 {
		out = append(out, fmt.Sprintf("%s in all  %s", short(rep.Wall), totalsOf(p, rep)))
	}
	return out
}

// requested are the targets that the user asked for.
func requested(p *plan.Plan) []*plan.Target {
	var out []*plan.Target
	for i := range p.Targets {
		if p.Targets[i].Requested {
			out = append(out, &p.Targets[i])
		}
	}
	return out
}

func uses(s *plan.Stage, t *plan.Target) bool {
	return slices.ContainsFunc(s.For, func(u plan.Use) bool { return u.Target == t.Name })
}

// statesOf says how each stage ended, by its id.
func statesOf(rep *exec.Report) map[string]exec.State {
	out := make(map[string]exec.State, len(rep.Outcomes))
	for _, o := range rep.Outcomes {
		out[o.Stage] = o.State
	}
	return out
}

// countsOf says how the stages of a target ended.
func countsOf(p *plan.Plan, t *plan.Target, states map[string]exec.State) counts {
	var n counts
	for i := range p.Stages {
		if uses(&p.Stages[i], t) {
			n.add(states[p.Stages[i].ID])
		}
	}
	return n
}

// missing are the optional platforms of a target that are not there in the end.
func missing(t *plan.Target, rep *exec.Report) string {
	var out []string
	for _, m := range t.Missing {
		out = append(out, m.Platform)
	}
	for _, f := range rep.Missing {
		for _, u := range f.Uses {
			if u.Target == t.Name && !slices.Contains(out, u.Platform) {
				out = append(out, u.Platform)
			}
		}
	}
	return strings.Join(out, ", ")
}

// counts are numbers of stages by how they ended.
type counts struct{ cached, run, unchanged, failed, skipped, canceled int }

func (n *counts) add(s exec.State) {
	switch s {
	case exec.CachedOut:
		n.cached++
	case exec.Done:
		n.run++
	case exec.Unchanged:
		n.unchanged++
	case exec.Failed:
		n.failed++
	case exec.Skipped:
		n.skipped++
	default:
		n.canceled++
	}
}

func (n counts) total() int {
	return n.cached + n.run + n.unchanged + n.failed + n.skipped + n.canceled
}
func (n counts) built() bool { return n.cached+n.run+n.unchanged == n.total() }

func (n counts) String() string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{n.cached, "cached"}, {n.run, "run"}, {n.unchanged, "unchanged"}, {n.failed, "failed"}, {n.skipped, "skipped"}, {n.canceled, "canceled"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if len(parts) == 0 {
		return plural(0, "stage")
	}
	return plural(n.total(), "stage") + ": " + strings.Join(parts, ", ")
}

// verdict says how a target ended: good, bad, or neither, for a target that is not done by no fault of its own.
type verdict int8

const (
	good verdict = iota
	bad
	neither
)

func outcome(t *plan.Target, rep *exec.Report, n counts) verdict {
	blamed := slices.ContainsFunc(rep.Failures, func(f *exec.Failure) bool {
		return len(f.Uses) == 0 || slices.ContainsFunc(f.Uses, func(u plan.Use) bool { return u.Target == t.Name })
	})
	switch {
	case rep.Err != nil && n.failed+n.skipped > 0 || blamed:
		return bad
	case missing(t, rep) != "", rep.Err != nil, n.canceled > 0:
		return neither
	}
	return good
}

// mark is the sign at the beginning of a target's line.
func (o *Options) mark(t *plan.Target, rep *exec.Report, n counts) (string, style) {
	signs := map[verdict]string{good: "✓", bad: "✗", neither: "-"}
	if o.ASCII {
		signs[good], signs[bad] = "ok", "failed"
	}
	v := outcome(t, rep, n)
	return signs[v], map[verdict]style{good: green, bad: red, neither: yellow}[v]
}
