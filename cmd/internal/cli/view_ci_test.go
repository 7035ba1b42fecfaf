package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/progress"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// failedRun is a report with one failure at a line of a Dockerfile that does not exist as a file, or does.
func failedRun(file string) (*exec.Report, *job) {
	p := &plan.Plan{Targets: []plan.Target{{Name: "app", Requested: true, Range: *diag.LineRange("xbuild.hcl", 7)}}}
	err := errors.New("RUN make failed with exit code 2")
	return &exec.Report{Err: err, Failures: []*exec.Failure{{Kind: exec.StepFailed, Step: "RUN make", ExitCode: 2, At: diag.LineRange(file, 3), Err: err,
		Uses: []plan.Use{{Target: "app", Platform: "linux/amd64"}}, Log: []string{"::add-mask::x", "no rule"}, LogLines: 30}}}, &job{plan: p}
}

// On GitHub a failure is an annotation at its line, as seen from the root of the repository, and what a step printed is no order.
func TestFailureOnGitHub(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "sub")
	for _, f := range []string{"sub/Dockerfile", "sub/xbuild.hcl"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), []byte("x\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for file, want := range map[string]string{"Dockerfile": "::error file=sub/Dockerfile,line=3,", "Dockerfile of target app": "::error file=sub/xbuild.hcl,line=7,"} {
		var out, errs bytes.Buffer
		a := &app{out: &out, err: &errs, getenv: func(k string) string { return map[string]string{"GITHUB_WORKSPACE": root}[k] }}
		a.speak(progress.GitHub)
		rep, j := failedRun(file)
		var exit *exitError
		if err := a.finish(rep, j, progress.GitHub); !errors.As(err, &exit) || exit.code != ExitFailed {
			t.Errorf("error %v", err)
		}
		text := errs.String()
		if !strings.Contains(text, "\n"+want) || !strings.Contains(text, "%0Ano rule") {
			t.Errorf("no %s in\n%s", want, text)
		}
		if !strings.Contains(text, "log, the last 2 of 30 lines; the others are above:") {
			t.Errorf("where the rest of the log is:\n%s", text)
		}
		for line := range strings.Lines(text) {
			if l := strings.TrimSpace(line); strings.HasPrefix(l, "::") && !strings.HasPrefix(l, "::error file=") {
				t.Errorf("the runner would obey %q", line)
			}
		}
	}
}

// A program is told of failures by events only.
func TestFailureForPrograms(t *testing.T) {
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, errIsTerminal: true, getenv: func(string) string { return "" }}
	a.speak(progress.JSON)
	rep, j := failedRun("Dockerfile")
	if err := a.finish(rep, j, progress.JSON); err == nil {
		t.Error("no error")
	}
	if errs.Len() > 0 || out.Len() > 0 || a.errIsTerminal {
		t.Errorf("printed %q, %q", errs.String(), out.String())
	}
	if a.exit(errors.New("one\ntwo")); strings.Count(errs.String(), `"type":"message"`) != 2 {
		t.Errorf("printed %q", errs.String())
	}
}

func TestJobSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	if err := os.WriteFile(path, []byte("before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	env := map[string]string{"GITHUB_STEP_SUMMARY": path}
	a := &app{err: &errs, getenv: func(k string) string { return env[k] }}
	rep, j := failedRun("Dockerfile")
	a.summarize(rep, j.plan)
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "before\n### xbuild failed in ") || !strings.Contains(string(text), "| `app` |") {
		t.Errorf("%v:\n%s", err, text)
	}
	env["GITHUB_STEP_SUMMARY"] = filepath.Join(path, "below")
	if a.summarize(rep, j.plan); !strings.HasPrefix(errs.String(), "note: the job's summary cannot be written: ") {
		t.Errorf("printed %q", errs.String())
	}
}

// TestWarningsInEveryMode: that a program is for another machine is a warning whatever the display shows.
func TestWarningsInEveryMode(t *testing.T) {
	for _, name := range progress.Modes() {
		mode := progress.Mode(name)
		var out, errs bytes.Buffer
		a := &app{out: &out, err: &errs, getenv: func(string) string { return "" }}
		display, err := progress.New(mode, &errs, &plan.Plan{}, progress.DefaultOptions(&errs))
		if err != nil {
			t.Fatal(err)
		}
		a.speak(mode)
		_, j := failedRun("Dockerfile")
		rep := &exec.Report{Warnings: []exec.Warning{{Target: "app", Platform: "linux/arm64", Text: "bin/x of target app is ELF amd64"}}}
		display.Close(rep)
		if err := a.finish(rep, j, mode); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text := errs.String(); !strings.Contains(text, "warning") || !strings.Contains(text, "bin/x of target app is ELF amd64") {
			t.Errorf("%s: no warning in\n%s", name, text)
		}
	}
}
