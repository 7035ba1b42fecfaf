package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xbuild/xbuild/exec/exectest"
	"github.com/xbuild/xbuild/exec/schedule"
)

// watch looks at a run from outside: what began when, and what had ended by then.
type watch struct {
	mu       sync.Mutex
	units    []schedule.Unit
	sessions []*exectest.Session
	opt      schedule.Options
	ended    map[int]schedule.Outcome
	running  map[int]int // attempts of each unit that have not returned
	onNode   []int
	slots    []int
	over     bool
	problems []string
}

func (w *watch) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

func (w *watch) began(unit, node int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.units[unit]
	w.running[unit]++
	w.onNode[node]++
	_, ended := w.ended[unit]
	if lost := closed(w.sessions[node].Lost()); (ended || w.over) && !lost { // of a lost node nobody waits for a call

		w.problem("%s began after its end (the run is over: %v)", u.Name, w.over)
	}
	if s := w.slots[node]; s > 0 && w.onNode[node] > s {
		w.problem("%d units at once on a node of %d slots", w.onNode[node], s)
	}
	for _, need := range u.Needs {
		o, ok := w.ended[need.Unit]
		fine := ok && (o.State == schedule.Done || need.Kind == schedule.Turn || need.Kind == schedule.Order && w.units[need.Unit].Optional)
		if !fine {
			w.problem("%s began although %s is %v (ended: %v)", u.Name, w.units[need.Unit].Name, o.State, ok)
		}
	}
}

func (w *watch) returned(unit, node int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[unit]--
	w.onNode[node]--
}

func (w *watch) end(o schedule.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, twice := w.ended[o.Unit]; twice {
		w.problem("%s has two outcomes", w.units[o.Unit].Name)
	}
	w.ended[o.Unit] = o
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// randomUnits are units with needs among those before them.
func randomUnits(rnd *rand.Rand) []schedule.Unit {
	us := make([]schedule.Unit, 1+rnd.IntN(30))
	for i := range us {
		group := rnd.IntN(4)
		us[i] = schedule.Unit{Name: fmt.Sprint("u", i), Optional: rnd.IntN(4) == 0, Retries: rnd.IntN(3) * rnd.IntN(2), Group: fmt.Sprint(group), Limit: group}
		if rnd.IntN(3) == 0 {
			us[i].Timeout = time.Duration(1+rnd.IntN(10)) * time.Second
		}
		for i > 0 && rnd.IntN(2) == 0 {
			us[i].Needs = append(us[i].Needs, schedule.Need{Unit: rnd.IntN(i), Kind: schedule.Kind(rnd.IntN(3))})
		}
	}
	return us
}

func randomRules(rnd *rand.Rand, units int) []exectest.Rule {
	var out []exectest.Rule
	for range rnd.IntN(6) {
		out = append(out, exectest.Rule{Unit: rnd.IntN(units), Attempts: rnd.IntN(3), Takes: time.Duration(rnd.IntN(5)) * time.Second,
			Fault: exectest.Fault(rnd.IntN(6)), Err: errBroken})
	}
	return append(out, exectest.Rule{Unit: -1, Takes: time.Duration(rnd.IntN(3000)) * time.Millisecond})
}

// TestRandom runs random units on random nodes with random faults.
func TestRandom(t *testing.T) {
	for seed := range uint64(1000) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			us := randomUnits(rnd)
			w := &watch{units: us, ended: map[int]schedule.Outcome{}, running: map[int]int{}}
			count := []int{1, 3, 50}[rnd.IntN(3)]
			node := func(i int) schedule.Node {
				s := exectest.NewSession(randomRules(rnd, len(us))...)
				s.Began, s.Over = func(u int) { w.began(u, i) }, func(u int) { w.returned(u, i) }
				w.sessions = append(w.sessions, s)
				w.slots, w.onNode = append(w.slots, rnd.IntN(4)), append(w.onNode, 0)
				return schedule.Node{Name: fmt.Sprint("n", i), Slots: w.slots[i], Session: s}
			}
			var nodes, joining []schedule.Node
			for i := range count {
				nodes = append(nodes, node(i))
			}
			for i := range rnd.IntN(3) {
				joining = append(joining, node(count+i))
			}
			w.opt = schedule.Options{Parallel: rnd.IntN(5), KeepGoing: rnd.IntN(2) == 0, Ended: w.end, Fatal: func(err error) bool { return errors.Is(err, exectest.ErrFatal) }}
			join := make(chan schedule.Node, len(joining))
			pauses := []time.Duration{time.Duration(rnd.IntN(20)) * time.Second, time.Duration(rnd.IntN(20)) * time.Second}
			go func() {
				defer close(join)
				for i, n := range joining {
					time.Sleep(pauses[i])
					join <- n
				}
			}()
			w.opt.Join = join
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rnd.IntN(100))*time.Second)
			defer cancel()
			outcomes := schedule.Run(ctx, us, nodes, w.opt)
			w.mu.Lock()
			w.over = true
			w.mu.Unlock()
			for _, s := range w.sessions {
				s.Thaw()
			}
			check(t, seed, w, outcomes)
			time.Sleep(time.Hour) // what were left would act in it; and the bubble has no goroutine left at its end
		})
	}
}

func check(t *testing.T, seed uint64, w *watch, outcomes []schedule.Outcome) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	stopped := false
	for i, o := range outcomes {
		u := w.units[i]
		stopped = stopped || o.State == schedule.Canceled
		if told, ok := w.ended[i]; !ok || o.Unit != i || told.State != o.State {
			w.problem("%s is %v, and was said to be %v", u.Name, o.State, told.State)
		}
		if o.Attempts > u.Retries+1 {
			w.problem("%s had %d attempts and %d retries", u.Name, o.Attempts, u.Retries)
		}
		switch {
		case o.State == schedule.Failed && o.Err == nil, o.State == schedule.Skipped && o.Cause < 0, o.State == schedule.Done && o.Err != nil:
			w.problem("%s: %+v", u.Name, o)
		case o.State == schedule.Failed && !w.opt.KeepGoing && !u.Optional:
			for j, other := range outcomes {
				if other.State == schedule.Done && other.Began.After(o.Ended) && !o.Ended.IsZero() {
					w.problem("%s began after %s had failed", w.units[j].Name, u.Name)
				}
			}
		case o.State == schedule.Failed && errors.Is(o.Err, errBroken) && o.Attempts <= u.Retries:
			w.problem("%s failed with retries left: %+v", u.Name, o)
		}
	}
	for i, n := range w.running {
		if o := outcomes[i]; n > 0 && len(o.Moved) == 0 {
			w.problem("%s was still running when the run was over: %+v", w.units[i].Name, o)
		}
	}
	for _, p := range w.problems {
		t.Errorf("seed %d: %s", seed, p)
	}
}
