package progress

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// plainTest makes a plain display.
func plainTest(t *testing.T, p *plan.Plan) (*bytes.Buffer, *player) {
	t.Helper()
	var out bytes.Buffer
	c := &clock{start}
	d, err := New(Auto, &out, p, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return &out, newPlayer(d, c)
}

func TestPlain(t *testing.T) {
	p := guide()
	out, pl := plainTest(t, p)
	base, client, server := "base@"+three, "build-client@linux/amd64", "build-client@linux/arm64"
	pl.begin("load metadata for golang:1.26-alpine")
	pl.c.at(0.5)
	pl.end("load metadata for golang:1.26-alpine", "") // quick: not shown
	pl.begin("[internal] load build context")
	pl.log("[internal] load build context", "transferring context: 1 MB\n")
	pl.c.at(2)
	pl.end("[internal] load build context", "") // slow
	pl.begin("import cache")
	pl.end("import cache", "no such cache") // failed
	pl.cached("FROM golang:1.26-alpine", base)
	pl.begin("RUN go mod  download \\\n    && true", base)
	pl.log("RUN go mod  download \\\n    && true", "go: downloading a\r\ngo: downl", base)
	pl.log("RUN go mod  download \\\n    && true", "oading b\n\n10%\r50%\r100%\n\x1b[1mbold\x1b[0m", base)
	pl.c.at(14.34)
	pl.end("RUN go mod  download \\\n    && true", "", base)
	pl.end("RUN go mod  download \\\n    && true", "", base) // the daemon repeats itself
	pl.begin("COPY . .", client, server)                     // one step of two stages
	pl.log("COPY . .", "copied\n", client, server)
	pl.c.at(15)
	pl.end("COPY . .", "", client, server)
	pl.begin("RUN go build", client)
	pl.begin("RUN go build for arm64", server)
	pl.c.at(100)
	pl.end("RUN go build", "process \"go build\" did not complete successfully: exit code: 1", client)
	pl.end("RUN go build for arm64", "context canceled", server)
	pl.say(exec.Exporting, "")
	pl.say(exec.Message, "warning: look here")
	pl.say(exec.Message, "")
	pl.begin("of a stage that the plan does not know", "nonsense")
	pl.end("of a stage that the plan does not know", "", "nonsense")
	rep := report(p, 100.2, exec.Canceled, map[string]exec.State{base: exec.CachedOut, client: exec.Failed, "binaries@linux/amd64": exec.Skipped})
	rep.Err = errTest
	pl.d.Close(rep)
	pl.d.Close(rep)
	pl.say(exec.Message, "too late")
	want := `[internal] load build context 1.5s
[internal] import cache FAILED 0.0s
[base linux/amd64,linux/arm64,darwin/arm64 shared] FROM golang:1.26-alpine CACHED
[base 3 platforms] go: downloading a
[base 3 platforms] go: downloading b
[base 3 platforms] 100%
[base 3 platforms] bold
[base linux/amd64,linux/arm64,darwin/arm64 shared] RUN go mod download \ && true 12.3s
[build-client 2 platforms] copied
[build-client linux/amd64,linux/arm64 cross] COPY . . 0.6s
[build-client linux/amd64 cross] RUN go build FAILED 1m25s
[build-client linux/arm64 cross] RUN go build for arm64 CANCELED 1m25s
writing results
warning: look here
✗ binaries  3 platforms   1m40s  10 stages (1 shared): 1 cached, 1 failed, 1 skipped, 7 canceled
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// With several targets the target stands before a stage of its own, and names are not piled up without end.
func TestPlainSeveralTargets(t *testing.T) {
	p := &plan.Plan{Targets: []plan.Target{{Name: "api", Requested: true}, {Name: "web", Requested: true}, {Name: "x", Requested: true}}}
	p.Stages = []plan.Stage{
		stageOf(plan.Shared, "base", "api,web,x", "linux/amd64"),
		stageOf(plan.Native, "build", "api", "linux/amd64"), stageOf(plan.Native, "build2", "web", "linux/amd64"),
		stageOf(plan.Emulated, "build3", "x", "linux/arm64"), stageOf(plan.Opaque, "web", "web", "linux/amd64"),
	}
	p.Stages[4].ID, p.Stages[4].Stage = "last", ""
	p.Stages[4].Index = 7
	out, pl := plainTest(t, p)
	pl.cached("RUN a", "base@linux/amd64")
	pl.cached("RUN b", "build@linux/amd64")
	pl.cached("RUN c", "base@linux/amd64", "build@linux/amd64", "build2@linux/amd64", "build3@linux/arm64")
	pl.cached("RUN d", "last")
	pl.d.Close(nil)
	want := `[base linux/amd64 shared] RUN a CACHED
[api build linux/amd64 native] RUN b CACHED
[base,api build,web build2,1 more linux/amd64,linux/arm64 shared,native,emulated] RUN c CACHED
[web #7 linux/amd64 opaque] RUN d CACHED
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// An image that is looked up first and fetched later is two completions of one step: the slow one counts.
func TestPlainLookupThenFetch(t *testing.T) {
	out, pl := plainTest(t, guide())
	for _, sec := range []float64{0.1, 0.2, 7} {
		pl.begin("FROM golang", "base@"+three)
		pl.c.t = pl.c.t.Add(seconds(sec))
		pl.end("FROM golang", "", "base@"+three)
	}
	if got := strings.Count(out.String(), "\n"); got != 2 || !strings.Contains(out.String(), "FROM golang 7.0s\n") {
		t.Errorf("got:\n%s", out)
	}
}

func TestSummary(t *testing.T) {
	p := &plan.Plan{Targets: []plan.Target{
		{Name: "api", Platforms: []string{"linux/amd64", "linux/arm64"}, Requested: true, Outputs: []plan.Output{{Type: "image"}}},
		{Name: "linked", Platforms: []string{"linux/amd64"}},
		{Name: "frontend", Platforms: []string{"linux/amd64"}, Requested: true},
	}}
	p.Stages = []plan.Stage{stageOf(plan.Shared, "base", "api,linked,frontend", "linux/amd64,linux/arm64"),
		stageOf(plan.Cross, "a", "api", "linux/amd64"), stageOf(plan.Cross, "b", "api", "linux/arm64"),
		stageOf(plan.Native, "l", "linked", "linux/amd64"), stageOf(plan.Native, "f", "frontend", "linux/amd64")}
	base, f := p.Stages[0].ID, p.Stages[4].ID
	failure := func(uses ...string) *exec.Failure {
		fl := &exec.Failure{Err: errTest}
		for _, u := range uses {
			fl.Uses = append(fl.Uses, plan.Use{Target: u})
		}
		return fl
	}
	for _, tt := range []struct {
		name  string
		all   exec.State
		but   map[string]exec.State
		fails []*exec.Failure
		ascii bool
		want  string
	}{
		{"good", exec.Done, map[string]exec.State{base: exec.CachedOut, f: exec.CachedOut}, nil, false,
			"✓ api       2 platforms    9.0s  3 stages: 1 cached, 2 run\n✓ frontend  linux/amd64    5.0s  2 stages: 2 cached\n30.0s in all  5 stages (1 shared): 2 cached, 3 run\n"},
		{"ascii", exec.Done, nil, nil, true,
			"ok api       2 platforms    9.0s  3 stages: 3 run\nok frontend  linux/amd64    5.0s  2 stages: 2 run\n30.0s in all  5 stages (1 shared): 5 run\n"},
		{"one fails, the other is built but not written", exec.Done, map[string]exec.State{f: exec.Failed}, []*exec.Failure{failure("frontend")}, false,
			"- api       2 platforms    9.0s  3 stages: 3 run; not written\n✗ frontend  linux/amd64    5.0s  2 stages: 1 run, 1 failed\n30.0s in all  5 stages (1 shared): 4 run, 1 failed\n"},
		{"a shared stage fails", exec.Skipped, map[string]exec.State{base: exec.Failed}, []*exec.Failure{failure("api", "linked", "frontend")}, true,
			"failed api       2 platforms    9.0s  3 stages: 1 failed, 2 skipped\nfailed frontend  linux/amd64    5.0s  2 stages: 1 failed, 1 skipped\n30.0s in all  5 stages: 1 failed, 4 skipped\n"},
		{"the results cannot be written", exec.Done, nil, []*exec.Failure{failure()}, false,
			"✗ api       2 platforms    9.0s  3 stages: 3 run; not written\n✗ frontend  linux/amd64    5.0s  2 stages: 2 run\n30.0s in all  5 stages (1 shared): 5 run\n"},
		{"interrupted", exec.Canceled, map[string]exec.State{base: exec.Done}, nil, false,
			"- api       2 platforms    9.0s  3 stages: 1 run, 2 canceled\n- frontend  linux/amd64    5.0s  2 stages: 1 run, 1 canceled\n30.0s in all  5 stages (1 shared): 1 run, 4 canceled\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newModel(p, start)
			for i, at := range []float64{2, 3, 9, 20, 5} {
				m.apply(exec.Event{Type: exec.StepDone, Step: p.Stages[i].ID, Stages: []string{p.Stages[i].ID}}, start.Add(seconds(at)))
			}
			rep := report(p, 30, tt.all, tt.but)
			if rep.Failures = tt.fails; tt.fails != nil || tt.all == exec.Canceled {
				rep.Err = errTest
			}
			got := strings.Join(summary(p, m, rep, &Options{ASCII: tt.ascii}), "\n") + "\n"
			if got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// One target alone takes as long as the whole run, with the writing of its results.
func TestSummaryOfOneTarget(t *testing.T) {
	p := guide()
	got := summary(p, newModel(p, start), report(p, 12.34, exec.CachedOut, nil), &Options{Color: true})
	if want := "<green>✓</> <bold>binaries</>  3 platforms   12.3s  10 stages (1 shared): 10 cached"; len(got) != 1 || readable(got[0]) != want {
		t.Errorf("got %q, want %s", got, want)
	}
}
