package cli

import (
	"errors"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// TestWithheld names the targets that were built and whose outputs are held back, and no others.
func TestWithheld(t *testing.T) {
	p := &plan.Plan{Targets: []plan.Target{
		{Name: "good", Requested: true, Outputs: []plan.Output{{Type: "local", Dest: "/out"}}},
		{Name: "image", Requested: true, Tags: []string{"example.org/x"}, Outputs: []plan.Output{{Type: "image"}}},
		{Name: "bad", Requested: true, Outputs: []plan.Output{{Type: "local", Dest: "/bad"}}},
		{Name: "cacheless", Requested: true},
		{Name: "written", Requested: true, Outputs: []plan.Output{{Type: "local", Dest: "/w"}}},
	}}
	rep := &exec.Report{Err: errors.New("x"), Outputs: []exec.OutputResult{{Target: "written"}}}
	for _, x := range p.Targets {
		p.Stages = append(p.Stages, plan.Stage{ID: x.Name, For: []plan.Use{{Target: x.Name}}})
		state := exec.Done
		if x.Name == "bad" {
			state = exec.Failed
		}
		rep.Outcomes = append(rep.Outcomes, exec.Outcome{Stage: x.Name, State: state})
	}
	want := "good was built and is not written, since the run failed: /out\n" +
		"image was built and is not written, since the run failed: example.org/x\n"
	if got := withheldText(rep, p); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
