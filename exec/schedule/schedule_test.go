package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xbuild/xbuild/exec/exectest"
	"github.com/xbuild/xbuild/exec/schedule"
)

var errBroken = errors.New("broken")

// units makes units from texts: "a", "b<a" needs the result of a, "c~a" the order, "d^a" the turn; "?" at the end makes one optional.
func units(texts ...string) []schedule.Unit {
	var out []schedule.Unit
	at := map[string]int{}
	for i, s := range texts {
		s, optional := strings.CutSuffix(s, "?")
		fields := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("<~^", r) })
		u := schedule.Unit{Name: fields[0], Optional: optional}
		at[fields[0]] = i
		rest := s[len(fields[0]):]
		for _, f := range fields[1:] {
			kind := map[byte]schedule.Kind{'<': schedule.Result, '~': schedule.Order, '^': schedule.Turn}[rest[0]]
			need, ok := at[f]
			if !ok {
				need = slices.IndexFunc(texts, func(t string) bool { return strings.HasPrefix(t, f) })
			}
			u.Needs = append(u.Needs, schedule.Need{Unit: need, Kind: kind})
			rest = rest[1+len(f):]
		}
		out = append(out, u)
	}
	return out
}

// text shows outcomes: the name, the state, the node and what is worth knowing.
func text(us []schedule.Unit, outcomes []schedule.Outcome) string {
	var out []string
	for i, o := range outcomes {
		s := us[i].Name + " " + o.State.String()
		if o.Node != "" {
			s += " on " + o.Node
		}
		if o.Attempts > 1 {
			s += fmt.Sprintf(" in %d attempts", o.Attempts)
		}
		if o.Cause >= 0 {
			s += " by " + us[o.Cause].Name
		}
		if o.Err != nil && o.State == schedule.Failed {
			s += ": " + o.Err.Error()
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

func fails(unit int) exectest.Rule {
	return exectest.Rule{Unit: unit, Fault: exectest.Fails, Err: errBroken, Takes: time.Second}
}

func loses(unit int) exectest.Rule {
	return exectest.Rule{Unit: unit, Fault: exectest.Loses, Takes: time.Second}
}

func takes(d time.Duration) exectest.Rule { return exectest.Rule{Unit: -1, Takes: d} }

func TestRun(t *testing.T) {
	second := takes(time.Second)
	for _, tc := range []struct {
		name  string
		units []schedule.Unit
		rules [][]exectest.Rule // one list a node
		slots int
		opt   schedule.Options
		after time.Duration // cancel
		took  time.Duration
		want  string
	}{
		{name: "in order", units: units("a", "b<a", "c<b"), rules: [][]exectest.Rule{{second}}, took: 3 * time.Second,
			want: "a done on n0\nb done on n0\nc done on n0"},
		{name: "at once", units: units("a", "b", "c<a<b"), rules: [][]exectest.Rule{{second}}, took: 2 * time.Second,
			want: "a done on n0\nb done on n0\nc done on n0"},
		{name: "bounded", units: units("a", "b", "c", "d"), rules: [][]exectest.Rule{{second}}, opt: schedule.Options{Parallel: 2}, took: 2 * time.Second,
			want: "a done on n0\nb done on n0\nc done on n0\nd done on n0"},
		{name: "slots", units: units("a", "b", "c"), rules: [][]exectest.Rule{{second}, {takes(3 * time.Second)}}, slots: 1, took: 3 * time.Second,
			want: "a done on n0\nb done on n1\nc done on n0"},
		{name: "a failure stops", units: units("a", "b<a", "c"), rules: [][]exectest.Rule{{fails(0), takes(time.Minute)}}, took: time.Second,
			want: "a failed on n0: broken\nb skipped by a\nc canceled on n0"},
		{name: "keep going", units: units("a", "b<a", "c", "d<b"), rules: [][]exectest.Rule{{fails(0), second}}, opt: schedule.Options{KeepGoing: true}, took: time.Second,
			want: "a failed on n0: broken\nb skipped by a\nc done on n0\nd skipped by b"},
		{name: "optional", units: units("a?", "b<a?", "c~a", "d^a", "e"), rules: [][]exectest.Rule{{fails(0), second}}, took: 2 * time.Second,
			want: "a failed on n0: broken\nb skipped by a\nc done on n0\nd done on n0\ne done on n0"},
		{name: "required one needs an optional one", units: units("a?", "b<a", "c"), rules: [][]exectest.Rule{{fails(0), takes(time.Minute)}}, took: time.Second,
			want: "a failed on n0: broken\nb skipped by a\nc canceled on n0"},
		{name: "fatal", units: units("a?", "b"), rules: [][]exectest.Rule{{{Unit: 0, Fault: exectest.Fatals}, takes(time.Minute)}},
			opt:  schedule.Options{KeepGoing: true, Fatal: func(err error) bool { return errors.Is(err, exectest.ErrFatal) }},
			want: "a failed on n0: unit 0: fatal\nb canceled on n0"},
		{name: "interrupt", units: units("a", "b<a", "c"), rules: [][]exectest.Rule{{{Unit: 2}, takes(time.Minute)}}, after: 2 * time.Second, took: 2 * time.Second,
			want: "a canceled on n0\nb canceled\nc done on n0"},
		{name: "timeout", units: []schedule.Unit{{Name: "a", Timeout: 3 * time.Second}}, rules: [][]exectest.Rule{{{Unit: 0, Fault: exectest.Hangs}}}, took: 3 * time.Second,
			want: "a failed on n0: a was not built within 3s, its timeout"},
		{name: "retries", units: []schedule.Unit{{Name: "a", Retries: 3}}, rules: [][]exectest.Rule{{{Unit: 0, Attempts: 2, Fault: exectest.Fails, Err: errBroken}}}, took: 3 * time.Second,
			want: "a done on n0 in 3 attempts"},
		{name: "retries run out", units: []schedule.Unit{{Name: "a", Retries: 1}}, rules: [][]exectest.Rule{{{Unit: 0, Fault: exectest.Fails, Err: errBroken}}}, took: time.Second,
			want: "a failed on n0 in 2 attempts: broken"},
		{name: "failed before", units: []schedule.Unit{{Name: "a", Err: errBroken, Optional: true}, {Name: "b", Needs: []schedule.Need{{Unit: 0, Kind: schedule.Order}}}},
			rules: [][]exectest.Rule{nil}, want: "a failed: broken\nb done on n0"},
		{name: "cycle", units: units("a<c", "b<a", "c<b", "d<a", "e"), rules: [][]exectest.Rule{nil}, opt: schedule.Options{KeepGoing: true},
			want: "a failed: dependency cycle: a -> c -> b -> a\nb failed: dependency cycle: b -> a -> c -> b\nc failed: dependency cycle: c -> b -> a -> c\nd skipped by a\ne done on n0"},
		{name: "a lost node's units move", units: units("a", "b"), rules: [][]exectest.Rule{{{Unit: 0, Takes: time.Second, Fault: exectest.Loses}}, {second}}, took: 2 * time.Second,
			want: "a done on n1\nb done on n1"},
		{name: "a frozen node's units move", units: units("a", "b"), rules: [][]exectest.Rule{{{Unit: 0, Takes: time.Second, Fault: exectest.Dies}}, {second}}, took: 2 * time.Second,
			want: "a done on n1\nb done on n1"},
		{name: "took down two", units: units("a", "b"), rules: [][]exectest.Rule{{loses(0)}, {loses(0)}, nil}, took: 2 * time.Second,
			opt:  schedule.Options{KeepGoing: true},
			want: "a failed on n1: a was running on n0 and n1 when each was lost, and is not tried on another node: lost with unit 0\nb done on n1"},
		{name: "no node is left", units: units("a", "b<a"), rules: [][]exectest.Rule{{{Unit: 0, Fault: exectest.Loses}}},
			want: "a failed on n0: no node is left\nlost with unit 0\nb skipped by a"},
		{name: "moves keep retries", units: []schedule.Unit{{Name: "a", Retries: 1}}, rules: [][]exectest.Rule{
			{{Unit: 0, Attempts: 1, Fault: exectest.Fails, Err: errBroken}, {Unit: 0, Fault: exectest.Loses}}, {{Unit: 0, Fault: exectest.Fails, Err: errBroken}}}, took: time.Second,
			want: "a failed on n1 in 2 attempts: broken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var nodes []schedule.Node
				for i, rules := range tc.rules {
					s := exectest.NewSession(rules...)
					defer s.Thaw()
					nodes = append(nodes, schedule.Node{Name: fmt.Sprint("n", i), Slots: tc.slots, Session: s})
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.after > 0 {
					defer time.AfterFunc(tc.after, cancel).Stop()
				}
				began := time.Now()
				got := text(tc.units, schedule.Run(ctx, tc.units, nodes, tc.opt))
				if got != tc.want || time.Since(began) != tc.took {
					t.Errorf("after %s:\n%s\nwant after %s:\n%s", time.Since(began), got, tc.took, tc.want)
				}
			})
		})
	}
}

// TestJoin: a node that joins takes units that wait, and the others go to it when the only node is lost.
func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		us := units("a", "b", "c")
		first := exectest.NewSession(exectest.Rule{Unit: 0, Takes: 10 * time.Second}, exectest.Rule{Unit: -1, Takes: time.Second, Fault: exectest.Loses})
		second := exectest.NewSession(takes(time.Second))
		join := make(chan schedule.Node)
		go func() {
			time.Sleep(5 * time.Second)
			join <- schedule.Node{Name: "n1", Session: second}
			close(join)
		}()
		nodes := []schedule.Node{{Name: "n0", Slots: 1, Session: first}}
		began := time.Now()
		got := text(us, schedule.Run(t.Context(), us, nodes, schedule.Options{Join: join}))
		if want := "a done on n0\nb done on n1\nc done on n1"; got != want || time.Since(began) != 10*time.Second {
			t.Errorf("after %s:\n%s\nwant\n%s", time.Since(began), got, want)
		}
		us = units("a", "b")
		join = make(chan schedule.Node)
		go func() {
			time.Sleep(5 * time.Second)
			join <- schedule.Node{Name: "n1", Session: second}
			close(join)
		}()
		nodes = []schedule.Node{{Name: "n0", Session: exectest.NewSession(exectest.Rule{Unit: 1, Fault: exectest.Loses}, takes(time.Hour))}}
		began = time.Now()
		got = text(us, schedule.Run(t.Context(), us, nodes, schedule.Options{Join: join}))
		if want := "a done on n1\nb done on n1"; got != want || time.Since(began) != 6*time.Second {
			t.Errorf("after %s:\n%s\nwant\n%s", time.Since(began), got, want)
		}
	})
}
