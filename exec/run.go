package exec

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/xbuild/xbuild/plan"
)

// Run is a plan being executed.
type Run struct {
	plan   *plan.Plan
	events chan Event
	done   chan struct{}
	report *Report
}

// Start begins to execute a plan. The caller must read [Run.Events] until it is closed; [Run.Wait] gives the report.
// Cancelling the context ends the run without touching any destination.
func Start(ctx context.Context, p *plan.Plan, b Backend, opt Options) *Run {
	r := &Run{plan: p, events: make(chan Event, 64), done: make(chan struct{})}
	go r.run(ctx, b, opt)
	return r
}

// Events delivers what happens, in order; closed at the end of the run.
func (r *Run) Events() <-chan Event { return r.events }

// Wait blocks until the run is over.
func (r *Run) Wait() *Report {
	<-r.done
	return r.report
}

func (r *Run) run(ctx context.Context, b Backend, opt Options) {
	defer close(r.done)
	start := time.Now()
	t := newTracker(r.plan)
	hidden := Hidden(r.plan)
	var mu sync.Mutex
	res, err := b.Run(ctx, r.plan, opt, func(e Event) {
		mu.Lock()
		t.event(e)
		mu.Unlock()
		r.events <- e.without(hidden)
	})
	close(r.events)
	rep := &Report{Wall: time.Since(start), Err: err}
	if res != nil {
		rep.Builds, rep.Outputs, rep.Images, rep.Missing = res.Builds, res.Outputs, res.Images, res.Missing
		rep.Records, rep.Caches, rep.Warnings = res.Records, res.Caches, res.Warnings
	}
	rep.Interrupted = ctx.Err() != nil && err != nil
	if !rep.Interrupted {
		rep.Failures = failures(err)
	}
	for _, f := range slices.Concat(rep.Failures, rep.Missing) {
		f.Uses = r.plan.StoppedBy(f.Stage, f.Uses)
	}
	rep.Outcomes = t.outcomes(rep)
	rep.hide(hidden)
	r.report = rep
}

// failures takes an error apart into its causes.
func failures(err error) []*Failure {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Failure
		for _, e := range j.Unwrap() {
			out = append(out, failures(e)...)
		}
		return out
	}
	var f *Failure
	if errors.As(err, &f) {
		return []*Failure{f}
	}
	return []*Failure{{Kind: BuildFailed, Err: err}}
}

// tracker folds events into one outcome a stage.
type tracker struct {
	plan   *plan.Plan
	stages map[string]*stageState
}

type stageState struct {
	ran, cached int
	failed      bool
	first, last time.Time
	busy        time.Duration
}

func newTracker(p *plan.Plan) *tracker {
	t := &tracker{plan: p, stages: map[string]*stageState{}}
	for _, s := range p.Stages {
		t.stages[s.ID] = &stageState{}
	}
	return t
}

func (t *tracker) event(e Event) {
	for _, id := range e.Stages {
		s := t.stages[id]
		if s == nil {
			continue
		}
		switch e.Type {
		case StepStarted:
			if s.first.IsZero() {
				s.first = e.Time
			}
		case StepDone:
			switch {
			case e.Err != "":
				s.failed = true
			case e.Cached:
				s.cached++
			default:
				s.ran++
			}
			s.last = e.Time
			if !e.Cached && !e.Started.IsZero() && e.Time.After(e.Started) {
				s.busy += e.Time.Sub(e.Started)
			}
		}
	}
}

// outcomes gives every stage of the plan its end, in plan order.
func (t *tracker) outcomes(rep *Report) []Outcome {
	cause := map[string]string{}
	lost := map[plan.Use]*Failure{}
	for _, f := range rep.Missing {
		for _, u := range f.Uses {
			lost[u] = f
		}
	}
	for _, f := range slices.Concat(rep.Failures, rep.Missing) {
		for _, id := range t.plan.Dependents(f.Stage) {
			cause[id] = f.Stage
		}
	}
	var out []Outcome
	for _, s := range t.plan.Stages {
		st := t.stages[s.ID]
		o := Outcome{Stage: s.ID, Busy: st.busy}
		if !st.first.IsZero() && st.last.After(st.first) {
			o.Duration = st.last.Sub(st.first)
		}
		switch {
		case cause[s.ID] == s.ID && s.ID != "":
			o.State = Failed
		case cause[s.ID] != "":
			o.State, o.Cause = Skipped, cause[s.ID]
		case st.ran+st.cached == 0 && onlyFor(s, lost):
			o.State, o.Cause = Skipped, lost[s.For[0]].Stage
		case rep.Err == nil && st.ran == 0:
			o.State = CachedOut
		case rep.Err == nil || st.ran+st.cached > 0 && !st.failed:
			o.State = Done
		default:
			o.State = Canceled
		}
		out = append(out, o)
	}
	return out
}

// onlyFor reports whether every user of a stage is among uses.
func onlyFor(s plan.Stage, uses map[plan.Use]*Failure) bool {
	return len(s.For) > 0 && !slices.ContainsFunc(s.For, func(u plan.Use) bool { return uses[u] == nil })
}
