package exec_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/exectest"
	"github.com/xbuild/xbuild/schema"
)

// TestHidden: a sensitive value is in no event and nowhere in the report, whatever the backend says.
func TestHidden(t *testing.T) {
	const value = "hunter2/hunter2"
	p := fork()
	p.Builds[0].Values = &schema.Build{Hidden: []string{value}}
	f := &exec.Failure{Kind: exec.StepFailed, Stage: "base", Step: "RUN x " + value, Hint: value, Log: []string{"a " + value, "hunter2%2Fhunter2"}, Err: errors.New(value + " is wrong")}
	b := &exectest.Backend{Steps: []exectest.Step{{Stages: []string{"base"}, Err: value + " failed"}}, Err: f}
	r := exec.Start(t.Context(), p, b, exec.Options{})
	var said strings.Builder
	for e := range r.Events() {
		fmt.Fprintf(&said, "%s %s %s\n", e.Name, e.Err, e.Data)
	}
	rep := r.Wait()
	fmt.Fprintf(&said, "%v\n", rep.Err)
	for _, f := range rep.Failures {
		fmt.Fprintf(&said, "%s %s %v %q\n", f.Step, f.Hint, f.Err, f.Log)
	}
	if text := said.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "***") {
		t.Errorf("%s", text)
	}
}
