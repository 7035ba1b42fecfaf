package exec_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/exectest"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// fork is a plan with one shared stage, two cross stages on it and two results.
func fork() *plan.Plan {
	amd, arm := schema.MustPlatform("linux/amd64"), schema.MustPlatform("linux/arm64")
	return &plan.Plan{
		Stages: []plan.Stage{
			{ID: "base", Stage: "base", Kind: plan.Shared},
			{ID: "build-amd", Stage: "build", Kind: plan.Cross, Needs: []plan.Need{{ID: "base", Via: "from"}}},
			{ID: "build-arm", Stage: "build", Kind: plan.Cross, Needs: []plan.Need{{ID: "base", Via: "from"}}},
		},
		Builds: []plan.Build{
			{Target: "app", Platform: amd, Stages: []string{"base", "build-amd"}, Result: "build-amd"},
			{Target: "app", Platform: arm, Stages: []string{"base", "build-arm"}, Result: "build-arm"},
		},
	}
}

func states(r *exec.Report) map[string]exec.State {
	m := map[string]exec.State{}
	for _, o := range r.Outcomes {
		m[o.Stage] = o.State
	}
	return m
}

func runAll(ctx context.Context, t *testing.T, p *plan.Plan, b exec.Backend) *exec.Report {
	t.Helper()
	r := exec.Start(ctx, p, b, exec.Options{})
	for range r.Events() {
	}
	rep := r.Wait()
	if len(rep.Outcomes) != len(p.Stages) {
		t.Fatalf("%d outcomes for %d stages", len(rep.Outcomes), len(p.Stages))
	}
	return rep
}

func TestOutcomesOfASuccess(t *testing.T) {
	b := &exectest.Backend{Steps: []exectest.Step{
		{Stages: []string{"base"}, Cached: true}, {Stages: []string{"build-amd"}}, {Stages: []string{"build-arm"}, Cached: true}, {Stages: []string{"build-arm"}},
	}}
	rep := runAll(t.Context(), t, fork(), b)
	want := map[string]exec.State{"base": exec.CachedOut, "build-amd": exec.Done, "build-arm": exec.Done}
	for id, s := range want {
		if got := states(rep)[id]; got != s {
			t.Errorf("%s: %s, want %s", id, got, s)
		}
	}
	if rep.Err != nil || len(rep.Failures) > 0 {
		t.Errorf("error %v", rep.Err)
	}
}

func TestASharedFailureNamesAllItStopped(t *testing.T) {
	b := &exectest.Backend{Steps: []exectest.Step{{Stages: []string{"base"}, Err: "exit code: 1"}}, Err: &exec.Failure{Kind: exec.StepFailed, Stage: "base",
		Uses: []plan.Use{{Target: "app", Platform: "linux/amd64"}}, ExitCode: 1, Err: errors.New("exit code: 1")}}
	rep := runAll(t.Context(), t, fork(), b)
	if len(rep.Failures) != 1 || len(rep.Failures[0].Uses) != 2 {
		t.Fatalf("failures %+v, want one that stopped two builds", rep.Failures)
	}
	got := states(rep)
	if got["base"] != exec.Failed || got["build-amd"] != exec.Skipped || got["build-arm"] != exec.Skipped {
		t.Errorf("states %v", got)
	}
	for _, o := range rep.Outcomes {
		if o.State == exec.Skipped && o.Cause != "base" {
			t.Errorf("%s was skipped because of %q", o.Stage, o.Cause)
		}
	}
}

func TestOneFailureLeavesTheOtherBuildCanceled(t *testing.T) {
	b := &exectest.Backend{Steps: []exectest.Step{{Stages: []string{"base"}}, {Stages: []string{"build-amd"}, Err: "exit code: 2"}},
		Err: &exec.Failure{Kind: exec.StepFailed, Stage: "build-amd", Err: errors.New("exit code: 2")}}
	got := states(runAll(t.Context(), t, fork(), b))
	if got["base"] != exec.Done || got["build-amd"] != exec.Failed || got["build-arm"] != exec.Canceled {
		t.Errorf("states %v", got)
	}
}

func TestAnInterruptIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &exectest.Backend{Block: true, Started: make(chan struct{})}
	r := exec.Start(ctx, fork(), b, exec.Options{})
	go func() {
		<-b.Started
		cancel()
	}()
	for range r.Events() {
	}
	done := make(chan *exec.Report, 1)
	go func() { done <- r.Wait() }()
	select {
	case rep := <-done:
		if !rep.Interrupted || len(rep.Failures) != 0 {
			t.Errorf("interrupted=%v failures=%v", rep.Interrupted, rep.Failures)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the run did not end")
	}
}

func TestSeveralCausesAreAllReported(t *testing.T) {
	b := &exectest.Backend{Err: errors.Join(
		&exec.Failure{Kind: exec.StepFailed, Stage: "build-amd", Err: errors.New("a")},
		&exec.Failure{Kind: exec.StepFailed, Stage: "build-arm", Err: errors.New("b")})}
	rep := runAll(t.Context(), t, fork(), b)
	if len(rep.Failures) != 2 {
		t.Errorf("%d failures, want 2", len(rep.Failures))
	}
}

// TestOptionalFailureIsNoError: what failed for optional platforms only is told, and the stages end as they did.
func TestOptionalFailureIsNoError(t *testing.T) {
	p := fork()
	for i, id := range []string{"linux/amd64", "linux/arm64"} {
		p.Stages[0].For = append(p.Stages[0].For, plan.Use{Target: "app", Platform: id})
		p.Stages[i+1].For = []plan.Use{{Target: "app", Platform: id}}
	}
	f := &exec.Failure{Kind: exec.BuildFailed, Err: errors.New("no"), Uses: []plan.Use{{Target: "app", Platform: "linux/arm64"}}}
	rep := runAll(t.Context(), t, p, &exectest.Backend{Steps: []exectest.Step{{Stages: []string{"base"}}, {Stages: []string{"build-amd"}, Cached: true}},
		Result: exec.Result{Missing: []*exec.Failure{f}}})
	if rep.Err != nil || len(rep.Failures) > 0 || len(rep.Missing) != 1 {
		t.Fatalf("report: %v, failures %v, missing %v", rep.Err, rep.Failures, rep.Missing)
	}
	want := map[string]exec.State{"base": exec.Done, "build-amd": exec.CachedOut, "build-arm": exec.Skipped}
	if d := cmp.Diff(want, states(rep)); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
}
