// Package schedule decides when each unit of a run is worked on, and on which node.
//
// In: the units, each with those that it waits for, and the nodes, each with a [Session] that does the work. Out: one [Outcome] a
// unit. Promised: every unit has exactly one outcome; a unit does not begin before those that it needs have ended as it needs them
// to; a unit that failed is worked on again as often as it may be, one that lost its node moves to another; after [Run] returned no
// session is asked for anything more. One goroutine owns all of the state. Start with [Run].
//
// The package knows neither BuildKit nor plans: exec/buildkit gives it sessions, tests give it fakes (exec/exectest).
package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Unit is a piece of work: a target on one platform, or a stage that several of them share.
type Unit struct {
	// Name stands in errors: "target app on linux/arm64".
	Name string
	// Needs are the units that it waits for.
	Needs []Need
	// Group is what the units have in common of which at most Limit are worked on at once; a Limit of 0 means no bound. All units
	// of a group have the same Limit.
	Group string
	Limit int
	// Retries is how often the unit is worked on again after it failed, and Timeout how long it may take each time; 0 means no bound.
	Retries int
	Timeout time.Duration
	// Optional says that the run can do without the unit: if it fails, the others go on.
	Optional bool
	// Err is not nil if the unit has failed before the run.
	Err error
}

// Need is a unit that another one waits for.
type Need struct {
	Unit int // its index
	Kind Kind
}

// Kind says how the needed unit has to end.
type Kind int

// The kinds of need.
const (
	Result Kind = iota // it must be done
	Order              // it must be done, or be optional
	Turn               // it must have ended
)

// Node is a machine that units are worked on.
type Node struct {
	Name string
	// Slots bounds how many units are worked on at once; 0 means no bound.
	Slots   int
	Session Session
}

// Session works on the units of one run on one node.
type Session interface {
	// Do works on a unit until it is done, or the context ends. attempt counts from 0, on all nodes. An error that wraps a
	// *[LostError] says that the node is gone.
	Do(ctx context.Context, unit, attempt int) error
	// Lost is closed when the node is gone. Calls of Do that have not returned by then are not waited for. It may be nil.
	Lost() <-chan struct{}
}

// LostError says that a node is gone.
type LostError struct{ Err error }

func (e *LostError) Error() string { return e.Err.Error() }
func (e *LostError) Unwrap() error { return e.Err }

// Candidate is a node that could work on a unit now.
type Candidate struct {
	Node    int // its index, in the order in which nodes came
	Name    string
	Running int // units
	Slots   int // as in [Node]
	// Lost says that the unit was on this node when it was lost once, and that it has come back under the same name.
	Lost bool
}

// Place chooses one of the candidates for a unit, or -1 to wait for another one. It is a pure function: of the same arguments it
// makes the same choice. It may wait only while a unit runs or a node may still join.
type Place func(unit int, candidates []Candidate) int

// LeastLoaded is the candidate on which the fewest units run, the first one of several. Nodes that were lost with the unit come last.
func LeastLoaded(_ int, candidates []Candidate) int {
	best := 0
	for i, c := range candidates {
		b := candidates[best]
		if b.Lost && !c.Lost || b.Lost == c.Lost && c.Running < b.Running {
			best = i
		}
	}
	return best
}

// Options of a run.
type Options struct {
	// Parallel bounds how many units are worked on at once; 0 means no bound.
	Parallel int
	// KeepGoing lets units go on that do not need the one that failed.
	KeepGoing bool
	// Place is where units go; nil means [LeastLoaded].
	Place Place
	// Join brings nodes in the course of the run, until it is closed. Nil if there are none.
	Join <-chan Node
	// Fatal reports whether an error ends the run even if the unit is optional or KeepGoing is set. Nil means that none does.
	Fatal func(error) bool
	// Retrying is called before the pause after which a unit is worked on again. It may be nil.
	Retrying func(unit int, err error, attempt int, pause time.Duration)
	// Ended is called with each outcome as it comes, in the goroutine of [Run]. It may be nil.
	Ended func(Outcome)
}

// State is how a unit ended.
type State int

// The states.
const (
	Done     State = iota
	Failed         // see Err
	Skipped        // one that it needs did not end as it needs it to; see Cause
	Canceled       // the run ended first
)

func (s State) String() string { return [...]string{"done", "failed", "skipped", "canceled"}[s] }

// Outcome is the end of one unit.
type Outcome struct {
	Unit  int
	State State
	Err   error // of a unit that failed or was canceled
	Cause int   // the unit that a skipped one needs; -1 of others
	// Node is where the unit was worked on last, empty if nowhere. Attempts is how often it was begun, moves not counted.
	Node     string
	Attempts int
	// Moved are the nodes that were lost with the unit.
	Moved []string
	// Began and Ended bound the last time it was worked on.
	Began, Ended time.Time
}

// TimeoutError says that a unit took longer than its timeout.
type TimeoutError struct {
	Name    string
	Timeout time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s was not built within %s, its timeout", e.Name, e.Timeout)
}

// TookDownError says that a unit was worked on by two nodes when they were lost: it may be the cause, and is not tried on a third.
type TookDownError struct {
	Name  string
	Nodes []string
	Err   error // of the last one
}

func (e *TookDownError) Error() string {
	return fmt.Sprintf("%s was running on %s when each was lost, and is not tried on another node: %v", e.Name, strings.Join(e.Nodes, " and "), e.Err)
}

func (e *TookDownError) Unwrap() error { return e.Err }

// ErrNoNode says that every node was lost.
var ErrNoNode = errors.New("no node is left")

// CycleError says that units need each other.
type CycleError struct{ Names []string }

func (e *CycleError) Error() string {
	return "dependency cycle: " + strings.Join(e.Names, " -> ")
}

// Run works on the units and returns their outcomes, in the order of the units, when all have ended and the sessions of nodes that
// are not lost have returned from every call. The context ends the run: what is being worked on is canceled. A dependency cycle is a
// mistake of the caller, and fails the units that are on it.
func Run(ctx context.Context, units []Unit, nodes []Node, opt Options) []Outcome {
	r := newRun(ctx, units, opt)
	defer r.finish()
	for _, n := range nodes {
		r.join(n)
	}
	r.begin()
	over := ctx.Done()
	for {
		r.start()
		if r.settled() {
			return r.outcomes
		}
		select {
		case e := <-r.events:
			e(r)
		case n, ok := <-r.joins:
			if ok {
				r.join(n)
			} else {
				r.joins = nil
			}
		case <-over:
			over = nil
			r.cancelAll(context.Cause(ctx))
		}
	}
}
