package progress

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// model folds the events of a run into the state of every stage of the plan. It reads no clock: times come in.
type model struct {
	stages []*stage // in plan order
	byID   map[string]*stage
	steps  map[string]*step
	start  time.Time
	// exporting is what is being written or pushed; empty before that.
	exporting string
	// several says that the plan has several targets, so that a stage's name alone is not clear.
	several bool
	order   []string            // names of the targets, as in the plan
	targets map[string][]*stage // what each uses
}

// stage is one stage instance of the plan.
type stage struct {
	name      string // with the target in front where that is needed
	title     string // the stage's own name
	targets   []string
	platforms []string
	kind      plan.Kind
	needs     []*stage
	bases     []*stage // the needs that it is FROM
	spare     bool     // of the plan's alternative, and not needed so far

	active       []*step // running now, oldest first
	last         *step   // the latest that ran
	ran, cached  int
	failed       bool
	first, ended time.Time // when the first step began, the last one ended

	state   state // as of the latest settle
	reached bool  // as of the latest settle: a stage FROM it has begun
	blocks  mark
}

type mark int8

// step is one step of the run; it may belong to several stages, or none.
type step struct {
	id, name string
	stages   []*stage
	began    time.Time // by our clock
	running  bool
	log      logLines
	// A view's note that it has printed the end of the step, and when that run of it started.
	shown      bool
	shownStart time.Time
}

// state of a stage, for the view. The report has the last word at the end.
type state int8

const (
	waiting state = iota
	running
	cached
	done
	failed
)

// settleTime is how long a stage without a running step counts as before: between two steps there is a short pause,
// and the number of steps is not known beforehand.
const settleTime = 500 * time.Millisecond

// newStage is a stage of the plan of which nothing has run.
func (m *model) newStage(ps *plan.Stage) *stage {
	s := &stage{title: cmp.Or(ps.Stage, "#"+strconv.Itoa(ps.Index)), kind: ps.Kind}
	for _, u := range ps.For {
		s.targets = addNew(s.targets, u.Target)
		s.platforms = addNew(s.platforms, u.Platform)
	}
	s.name = s.title
	if m.several && len(s.targets) == 1 && s.targets[0] != s.title {
		s.name = s.targets[0] + " " + s.title
	}
	return s
}

// add makes a stage part of the run.
func (m *model) add(s *stage) {
	m.stages = append(m.stages, s)
	for _, t := range s.targets {
		m.targets[t] = append(m.targets[t], s)
	}
}

func newModel(p *plan.Plan, start time.Time) *model {
	m := &model{byID: map[string]*stage{}, steps: map[string]*step{}, start: start, several: len(p.Targets) > 1, targets: map[string][]*stage{}}
	for _, t := range p.Targets {
		m.order = append(m.order, t.Name)
	}
	for i := range p.Stages {
		s := m.newStage(&p.Stages[i])
		m.byID[p.Stages[i].ID] = s
		m.add(s)
	}
	if p.Alternative != nil {
		for i := range p.Alternative.Stages {
			if ps := &p.Alternative.Stages[i]; m.byID[ps.ID] == nil {
				m.byID[ps.ID] = m.newStage(ps)
				m.byID[ps.ID].spare = true
			}
		}
	}
	for i, ps := range p.Stages {
		for _, n := range ps.Needs {
			if need := m.byID[n.ID]; need != nil {
				m.stages[i].needs = append(m.stages[i].needs, need)
				if n.Via == "from" {
					m.stages[i].bases = append(m.stages[i].bases, need)
				}
			}
		}
	}
	return m
}

func addNew(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// where is the short form of a list of platforms.
func where(platforms []string) string {
	switch len(platforms) {
	case 0:
		return ""
	case 1:
		return platforms[0]
	}
	return strconv.Itoa(len(platforms)) + " platforms"
}

// apply takes one event in. now is when it arrived. The result is the step that the event is about, nil if there is none,
// and the lines of log that it completes.
func (m *model) apply(e exec.Event, now time.Time) (*step, []string) {
	switch e.Type {
	case exec.Exporting:
		m.exporting = cmp.Or(text(e), "writing results")
		return nil, nil
	case exec.StepStarted, exec.StepDone, exec.StepLog:
	default:
		return nil, nil
	}
	st := m.step(e)
	var lines []string
	switch e.Type {
	case exec.StepStarted:
		m.begin(st, now)
	case exec.StepLog:
		lines = st.log.add(e.Data)
	case exec.StepDone:
		lines = st.log.flush()
		st.log.partial = nil
		m.end(st, e, now)
	}
	return st, lines
}

// text is what a remark says.
func text(e exec.Event) string { return clean(cmp.Or(e.Name, string(e.Data))) }

// step finds the step of an event. The stages that a step belongs to may grow while the run goes on.
func (m *model) step(e exec.Event) *step {
	st := m.steps[e.Step]
	if st == nil {
		st = &step{id: e.Step}
		m.steps[e.Step] = st
	}
	if e.Name != "" {
		st.name = clean(strings.Join(strings.Fields(e.Name), " "))
	}
	for _, id := range e.Stages {
		if s := m.byID[id]; s != nil && !slices.Contains(st.stages, s) {
			st.stages = append(st.stages, s)
			if s.spare { // now it is part of the run
				s.spare = false
				m.add(s)
			}
			if st.running {
				s.begin(st, st.began)
			}
		}
	}
	return st
}

func (m *model) begin(st *step, now time.Time) {
	if st.running {
		return
	}
	st.running, st.began = true, now
	for _, s := range st.stages {
		s.begin(st, now)
	}
}

func (s *stage) begin(st *step, now time.Time) {
	s.active = append(s.active, st)
	s.last = st
	if s.first.IsZero() {
		s.first = now
	}
}

func (m *model) end(st *step, e exec.Event, now time.Time) {
	st.running = false
	for _, s := range st.stages {
		s.active = slices.DeleteFunc(s.active, func(x *step) bool { return x == st })
		s.ended = now
		switch {
		case e.Err != "" && !canceled(e.Err):
			s.failed = true
		case e.Err != "":
		case e.Cached:
			s.cached++
		default:
			s.ran++
		}
	}
}

// canceled reports whether a step ended because the run did.
func canceled(msg string) bool {
	return strings.Contains(msg, "context canceled") || strings.Contains(msg, "code = Canceled")
}

// took is how long a finished step ran, by the daemon's clock.
func took(e exec.Event) time.Duration {
	if e.Started.IsZero() || e.Time.Before(e.Started) {
		return 0
	}
	return e.Time.Sub(e.Started)
}

// The marks of the search for stages that are not over.
const (
	unknown mark = iota
	looking
	free
	blocking
)

// settle works out the state of every stage at a time. A stage tells by no event that it is over. It is taken to be so
// if none of its steps runs, some have run, and all that it needs is over; or if a stage FROM it has begun.
func (m *model) settle(now time.Time) {
	for _, s := range m.stages {
		s.reached, s.blocks = false, unknown
	}
	for _, s := range m.stages {
		if s.seen() {
			s.reach()
		}
	}
	for _, s := range m.stages {
		s.state = s.settled(now)
	}
}

func (s *stage) seen() bool { return s.ran+s.cached > 0 || s.failed || len(s.active) > 0 }

// reach marks what s grows from, down to the first base.
func (s *stage) reach() {
	for _, b := range s.bases {
		if !b.reached {
			b.reached = true
			b.reach()
		}
	}
}

func (s *stage) settled(now time.Time) state {
	switch {
	case s.failed:
		return failed
	case len(s.active) > 0:
		return running
	case !s.reached && (!s.seen() || slices.ContainsFunc(s.needs, (*stage).blocked)):
		return waiting
	case !s.reached && now.Sub(s.ended) < settleTime:
		if s.ran > 0 {
			return running
		}
		return waiting
	case s.ran == 0:
		return cached
	}
	return done
}

// blocked reports whether a stage is known not to be over. One that may have no step of its own is not.
func (s *stage) blocked() bool {
	switch s.blocks {
	case looking: // a plan has no cycle; if it had, it would not hang the display
		return false
	case free, blocking:
		return s.blocks == blocking
	}
	s.blocks = looking
	b := len(s.active) > 0 || !s.seen() && !s.reached && s.kind != plan.Assembled
	b = b || slices.ContainsFunc(s.needs, (*stage).blocked)
	if s.blocks = free; b {
		s.blocks = blocking
	}
	return b
}
