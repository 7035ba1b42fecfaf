package schedule

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// run is the state of one [Run]. Only its goroutine touches it; the others send it events.
type run struct {
	ctx      context.Context // of the work; ends when nothing new may begin
	stop     context.CancelCauseFunc
	units    []Unit
	opt      Options
	outcomes []Outcome
	ended    []bool
	open     int            // units without an outcome
	waits    []int          // of each unit: needs that have not ended
	users    [][]int        // of each unit: those that need it
	ready    indexes        // units that may begin
	groups   map[string]int // running units of each group
	running  map[int]*work  // by unit; a unit that pauses between two attempts is one
	retries  []int          // how often each unit failed and was worked on again
	nodes    []*node
	joins    <-chan Node
	canceled error // why no unit may begin any more
	lastLost error
	events   chan func(*run)
	over     chan struct{}  // closed when nobody takes events any more
	alive    sync.WaitGroup // goroutines that end with the run
}

// node is a [Node] in the course of a run.
type node struct {
	Node
	index, running int
	gone           bool
}

// work is one unit that is being worked on.
type work struct {
	unit   int
	node   *node
	cancel context.CancelCauseFunc
}

func newRun(ctx context.Context, units []Unit, opt Options) *run {
	n := len(units)
	r := &run{units: slices.Clone(units), retries: make([]int, n), opt: opt, outcomes: make([]Outcome, n), ended: make([]bool, n), open: n, waits: make([]int, n), users: make([][]int, n),
		groups: map[string]int{}, running: map[int]*work{}, joins: opt.Join, events: make(chan func(*run)), over: make(chan struct{})}
	r.ctx, r.stop = context.WithCancelCause(ctx)
	if r.opt.Place == nil {
		r.opt.Place = LeastLoaded
	}
	for i := range units {
		r.outcomes[i] = Outcome{Unit: i, Cause: -1}
		for _, need := range units[i].Needs {
			r.waits[i]++
			r.users[need.Unit] = append(r.users[need.Unit], i)
		}
	}
	return r
}

// finish ends the goroutines of the run.
func (r *run) finish() {
	r.stop(nil)
	close(r.over)
	r.alive.Wait()
}

// send hands an event to the run, which may be over.
func (r *run) send(e func(*run)) {
	select {
	case r.events <- e:
	case <-r.over:
	}
}

// begin sorts out what can begin, what has failed already, and what never could begin.
func (r *run) begin() {
	for _, i := range r.onCycles() {
		r.units[i].Err = &CycleError{Names: r.cycleFrom(i)}
	}
	for i := range r.units {
		if r.waits[i] == 0 && r.units[i].Err == nil {
			heap.Push(&r.ready, i)
		}
	}
	for i := range r.units {
		if err := r.units[i].Err; err != nil && !r.ended[i] {
			r.failed(i, err)
		}
	}
}

// settled reports whether nothing is left to wait for.
func (r *run) settled() bool { return r.open == 0 && len(r.running) == 0 }

// join adds a node, and forgets one of the same name that was lost.
func (r *run) join(n Node) {
	added := &node{Node: n, index: len(r.nodes)}
	r.nodes = append(r.nodes, added)
	lost := n.Session.Lost()
	if lost == nil {
		return
	}
	r.alive.Go(func() {
		select {
		case <-lost:
			r.send(func(r *run) { r.lose(added, errors.New("the node "+n.Name+" is lost")) })
		case <-r.over:
		}
	})
}

// start begins all units that may begin and have a place.
func (r *run) start() {
	if r.canceled != nil {
		return
	}
	var later []int
	for r.ready.Len() > 0 && (r.opt.Parallel == 0 || len(r.running) < r.opt.Parallel) {
		candidates := r.free()
		if len(candidates) == 0 {
			break
		}
		i := heap.Pop(&r.ready).(int)
		u := &r.units[i]
		if u.Limit > 0 && r.groups[u.Group] >= u.Limit {
			later = append(later, i)
			continue
		}
		for c := range candidates {
			candidates[c].Lost = slices.Contains(r.outcomes[i].Moved, candidates[c].Name)
		}
		c := r.opt.Place(i, candidates)
		if c < 0 {
			later = append(later, i)
			continue
		}
		w := &work{unit: i, node: r.nodes[candidates[c].Node]}
		r.running[i] = w
		r.groups[u.Group]++
		w.node.running++
		r.outcomes[i].Attempts++
		r.attempt(w)
	}
	for _, i := range later {
		heap.Push(&r.ready, i)
	}
	if r.ready.Len() > 0 && len(r.running) == 0 && r.joins == nil {
		r.noNode() // nothing will happen that could make room for them
	}
}

// free are the nodes with a free slot.
func (r *run) free() []Candidate {
	var out []Candidate
	for _, n := range r.nodes {
		if !n.gone && (n.Slots == 0 || n.running < n.Slots) {
			out = append(out, Candidate{Node: n.index, Name: n.Name, Running: n.running, Slots: n.Slots})
		}
	}
	return out
}

// noNode fails the units that have no node to go to.
func (r *run) noNode() {
	err := ErrNoNode
	if r.lastLost != nil {
		err = errors.Join(ErrNoNode, r.lastLost)
	}
	for r.ready.Len() > 0 {
		i := heap.Pop(&r.ready).(int)
		if !r.ended[i] {
			r.failed(i, err)
		}
	}
}

// attempt works on a unit once, in a goroutine of its own.
func (r *run) attempt(w *work) {
	u, o := &r.units[w.unit], &r.outcomes[w.unit]
	o.Node, o.Began = w.node.Name, time.Now()
	late := &TimeoutError{Name: u.Name, Timeout: u.Timeout}
	ctx, cancel := context.WithCancelCause(r.ctx)
	w.cancel = cancel
	session, unit, try, began, timeout := w.node.Session, w.unit, r.retries[w.unit], o.Began, u.Timeout
	go func() { // not waited for if the node is lost
		defer cancel(nil)
		limited := ctx
		if timeout > 0 {
			var stop context.CancelFunc
			limited, stop = context.WithTimeoutCause(ctx, timeout, late)
			defer stop()
		}
		err := context.Cause(limited) // the node may be lost already
		if err == nil {
			err = session.Do(limited, unit, try)
		}
		// A daemon that knows the deadline too may report it before it has come here.
		early := timeout > 0 && errors.Is(err, context.DeadlineExceeded) && time.Since(began) > timeout*9/10
		if err != nil && (early || context.Cause(limited) == error(late)) {
			err = late
		}
		r.send(func(r *run) { r.returned(w, err) })
	}()
}

// The time before a unit is worked on again doubles each time.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// Pause is the time before an attempt after the first.
func Pause(attempt int) time.Duration { return min(firstPause<<min(attempt, 10), longestPause) }

// returned takes the result of an attempt.
func (r *run) returned(w *work, err error) {
	if r.running[w.unit] != w {
		return // its node was lost meanwhile
	}
	var lost *LostError
	switch {
	case err == nil:
		r.leave(w)
		r.end(w.unit, Outcome{State: Done})
	case r.canceled != nil:
		r.leave(w)
		r.end(w.unit, Outcome{State: Canceled, Err: err})
	case errors.As(err, &lost):
		r.lose(w.node, err)
	case r.retries[w.unit] < r.units[w.unit].Retries && !r.fatal(err):
		r.pause(w, err)
	default:
		r.leave(w)
		r.failed(w.unit, err)
	}
}

// pause waits before the next attempt; the unit keeps its slot.
func (r *run) pause(w *work, err error) {
	pause := Pause(r.retries[w.unit])
	r.retries[w.unit]++
	if r.opt.Retrying != nil {
		r.opt.Retrying(w.unit, err, r.retries[w.unit], pause)
	}
	ctx, cancel := context.WithCancelCause(r.ctx)
	w.cancel = cancel
	r.alive.Go(func() {
		defer cancel(nil)
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		r.send(func(r *run) { r.again(w, err) })
	})
}

// again begins the next attempt after a pause, unless the run was canceled or the node lost meanwhile. err is of the one before.
func (r *run) again(w *work, err error) {
	switch {
	case r.running[w.unit] != w:
	case r.canceled != nil:
		r.leave(w)
		r.end(w.unit, Outcome{State: Canceled, Err: err})
	default:
		r.outcomes[w.unit].Attempts++
		r.attempt(w)
	}
}

// leave takes a unit off its node.
func (r *run) leave(w *work) {
	delete(r.running, w.unit)
	r.groups[r.units[w.unit].Group]--
	w.node.running--
}

func (r *run) fatal(err error) bool { return r.opt.Fatal != nil && r.opt.Fatal(err) }

// failed ends a unit with an error, and the run if the others may not go on.
func (r *run) failed(i int, err error) {
	r.end(i, Outcome{State: Failed, Err: err})
	if r.fatal(err) || !r.units[i].Optional && !r.opt.KeepGoing {
		r.cancelAll(err)
	}
}

// lose moves what a lost node was working on. A unit with which two nodes were lost fails.
func (r *run) lose(n *node, err error) {
	if n.gone {
		return
	}
	n.gone, r.lastLost = true, err
	var on []int
	for i, w := range r.running {
		if w.node == n {
			on = append(on, i)
		}
	}
	slices.Sort(on)
	for _, i := range on {
		w, o := r.running[i], &r.outcomes[i]
		w.cancel(err)
		r.leave(w)
		o.Moved = append(o.Moved, n.Name)
		switch {
		case r.ended[i]:
		case r.canceled != nil:
			r.end(i, Outcome{State: Canceled, Err: err})
		case len(o.Moved) > 1:
			r.failed(i, &TookDownError{Name: r.units[i].Name, Nodes: o.Moved, Err: err})
		default:
			o.Attempts--
			heap.Push(&r.ready, i)
		}
	}
}

// cancelAll ends the run: nothing begins any more, and what runs is canceled.
func (r *run) cancelAll(cause error) {
	if r.canceled != nil {
		return
	}
	r.canceled = cause
	r.stop(cause)
	for i := range r.units {
		if r.running[i] == nil && !r.ended[i] {
			r.end(i, Outcome{State: Canceled, Err: cause})
		}
	}
}

// end gives a unit its outcome, and lets those go on that need it.
func (r *run) end(i int, as Outcome) {
	o := &r.outcomes[i]
	o.State, o.Err = as.State, as.Err
	if o.Cause = -1; as.State == Skipped {
		o.Cause = as.Cause
	}
	if !o.Began.IsZero() {
		o.Ended = time.Now()
	}
	r.ended[i] = true
	r.open--
	if r.opt.Ended != nil {
		r.opt.Ended(*o)
	}
	for _, user := range r.users[i] {
		r.waits[user]--
		r.needed(user, i)
	}
}

// needed lets a unit begin, or skips it, after one that it needs has ended.
func (r *run) needed(user, i int) {
	if r.ended[user] || r.units[user].Err != nil { // the latter has an outcome of its own
		return
	}
	for _, need := range r.units[user].Needs {
		ok := r.outcomes[i].State == Done || need.Kind == Turn || need.Kind == Order && r.units[i].Optional
		if need.Unit == i && !ok {
			if r.canceled == nil && r.outcomes[i].State != Canceled {
				r.end(user, Outcome{State: Skipped, Cause: i})
				if !r.units[user].Optional && !r.opt.KeepGoing {
					r.cancelAll(r.outcomes[r.root(i)].Err)
				}
			}
			return
		}
	}
	if r.waits[user] == 0 && r.canceled == nil {
		heap.Push(&r.ready, user)
	}
}

// root is the unit whose failure skipped another one, directly or by others between them.
func (r *run) root(i int) int {
	for r.outcomes[i].State == Skipped {
		i = r.outcomes[i].Cause
	}
	return i
}

// indexes is a heap: units begin in their order.
type indexes []int

func (x indexes) Len() int           { return len(x) }
func (x indexes) Less(i, j int) bool { return x[i] < x[j] }
func (x indexes) Swap(i, j int)      { x[i], x[j] = x[j], x[i] }
func (x *indexes) Push(v any)        { *x = append(*x, v.(int)) }
func (x *indexes) Pop() any {
	last := (*x)[len(*x)-1]
	*x = (*x)[:len(*x)-1]
	return last
}
