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
// became of its stages. Without a report there is none.
func summary(p *plan.Plan, m *model, rep *exec.Report, opt *Options) []string {
	if rep == nil {
		return nil
	}
	outcome := map[string]exec.State{}
	for _, o := range rep.Outcomes {
		outcome[o.Stage] = o.State
	}
	var targets []*plan.Target
	nameWidth, whereWidth := 0, 0
	for i := range p.Targets {
		if t := &p.Targets[i]; t.Requested {
			targets = append(targets, t)
			nameWidth = max(nameWidth, columnsOf(t.Name))
			whereWidth = max(whereWidth, len(where(t.Platforms)))
		}
	}
	var out []string
	for _, t := range targets {
		var n counts
		var ended time.Time
		for i := range p.Stages {
			s := &p.Stages[i]
			if !slices.ContainsFunc(s.For, func(u plan.Use) bool { return u.Target == t.Name }) {
				continue
			}
			n.add(outcome[s.ID])
			if at := m.stages[i].ended; at.After(ended) {
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
		l.add(normal, "  "+n.String())
		if rep.Err != nil && n.built() && len(t.Outputs) > 0 {
			l.add(normal, "; not written")
		}
		if missing := missing(t, rep); rep.Err == nil && missing != "" {
			l.add(yellow, "; without "+missing)
		}
		out = append(out, l.String())
	}
	return out
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
type counts struct{ cached, run, failed, skipped, canceled int }

func (n *counts) add(s exec.State) {
	switch s {
	case exec.CachedOut:
		n.cached++
	case exec.Done:
		n.run++
	case exec.Failed:
		n.failed++
	case exec.Skipped:
		n.skipped++
	default:
		n.canceled++
	}
}

func (n counts) total() int  { return n.cached + n.run + n.failed + n.skipped + n.canceled }
func (n counts) built() bool { return n.cached+n.run == n.total() }

func (n counts) String() string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{n.cached, "cached"}, {n.run, "run"}, {n.failed, "failed"}, {n.skipped, "skipped"}, {n.canceled, "canceled"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if len(parts) == 0 {
		return plural(0, "stage")
	}
	return plural(n.total(), "stage") + ": " + strings.Join(parts, ", ")
}

// mark is the sign at the beginning of a target's line: good, bad, or neither, for a target that failed by no fault of
// its own.
func (o *Options) mark(t *plan.Target, rep *exec.Report, n counts) (string, style) {
	good, bad, neither := "✓", "✗", "-"
	if o.ASCII {
		good, bad = "ok", "failed"
	}
	blamed := slices.ContainsFunc(rep.Failures, func(f *exec.Failure) bool {
		return len(f.Uses) == 0 || slices.ContainsFunc(f.Uses, func(u plan.Use) bool { return u.Target == t.Name })
	})
	switch {
	case rep.Err != nil && n.failed+n.skipped > 0 || blamed:
		return bad, red
	case missing(t, rep) != "":
		return neither, yellow
	case rep.Err != nil || n.canceled > 0:
		return neither, yellow
	}
	return good, green
}
