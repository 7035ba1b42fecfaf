package progress

import (
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// reported is a run of two targets: one is there, the other failed.
func reported() (*plan.Plan, *exec.Report) {
	p := &plan.Plan{Targets: []plan.Target{
		{Name: "api", Platforms: []string{"linux/amd64", "linux/arm64"}, Requested: true, Outputs: []plan.Output{{Type: "image"}}},
		{Name: "linked", Platforms: []string{"linux/amd64"}},
		{Name: "we|b", Platforms: []string{"linux/amd64"}, Requested: true},
	}}
	p.Stages = []plan.Stage{stageOf(plan.Shared, "base", "api,linked,we|b", "linux/amd64,linux/arm64"),
		stageOf(plan.Cross, "a", "api", "linux/amd64"), stageOf(plan.Emulated, "b", "api", "linux/arm64"),
		stageOf(plan.Native, "f", "we|b", "linux/amd64")}
	rep := report(p, 83, exec.Done, map[string]exec.State{p.Stages[0].ID: exec.CachedOut, p.Stages[3].ID: exec.Failed})
	rep.Outcomes[2].Busy = 95 * time.Second
	rep.Err = errTest
	rep.Failures = []*exec.Failure{{Kind: exec.StepFailed, Stage: p.Stages[3].ID, Err: errTest, At: diag.LineRange("web/Dockerfile", 4),
		Uses: []plan.Use{{Target: "we|b", Platform: "linux/amd64"}}, Log: []string{"``` <b>", "\x1b[31mred\x1b[0m"}}}
	rep.Outputs = []exec.OutputResult{
		{Target: "api", Type: "image", Dest: "r.example/api:1", Digest: "sha256:aa", Bytes: 12345678, Platforms: map[string]string{"linux/arm64": "sha256:cc", "linux/amd64": "sha256:bb"}},
		{Target: "api", Type: "local", Dest: "/p/b`in", Files: 2, Bytes: 999},
	}
	return p, rep
}

func TestMarkdown(t *testing.T) {
	golden(t, "report.md", Markdown(reported()))
	p, rep := reported()
	rep.Err, rep.Failures, rep.Outputs = nil, nil, nil
	rep.Missing = []*exec.Failure{{Kind: exec.StepFailed, Err: errTest, Uses: []plan.Use{{Target: "api", Platform: "linux/arm64"}}}}
	golden(t, "report_missing.md", Markdown(p, rep))
	golden(t, "report_nothing.md", Markdown(&plan.Plan{}, &exec.Report{}))
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 12345: "12.3 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 4_500_000_000: "4.5 GB",
		5_000_000_000_000_000: "5000.0 TB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
