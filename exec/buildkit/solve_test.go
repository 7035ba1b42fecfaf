//go:build linux

package buildkit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// TestRetries: a build that fails is tried again as often as its target says, and no more.
func TestRetries(t *testing.T) {
	text := `FROM scratch
COPY tool /tool
RUN --mount=type=cache,id=NOW,target=/c ["/tool", "flaky", "/c/n", "2", "NOW"]
`
	for retries, want := range map[int]string{1: "failed", 2: "done"} {
		p := newProject(t, map[string]string{"Dockerfile": text})
		p.write("Dockerfile", strings.ReplaceAll(text, "NOW", fmt.Sprint(time.Now().UnixNano())))
		p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs, b.Retries = p.local("out"), retries })
		o := p.run(p.plan("x"))
		tries := 0
		for _, e := range o.events {
			if e.Type == exec.Message && strings.Contains(e.Name, "tried again") {
				tries++
			}
		}
		if tries != retries {
			t.Errorf("%d retries were announced, want %d", tries, retries)
		}
		if want == "done" {
			o.must(t, "client")
			p.wantTree("out", map[string]string{"tool": "(program)"})
			continue
		}
		if f := o.only(t); f.Kind != exec.StepFailed || f.At == nil || f.At.Start.Line != 3 {
			t.Errorf("failure %+v at %v", f, f.At)
		}
	}
}

func TestTimeout(t *testing.T) {
	for _, retries := range []int{0, 1} { // in the hub, and in a request of its own
		p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"sleep\"]\n"})
		p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs, b.Timeout, b.Retries = p.local("out"), time.Second, retries })
		f := p.runWith(timeout(t, 5*time.Minute), p.plan("x"), exec.Options{}, nil).only(t) // the step sleeps for ten
		if !strings.Contains(f.Error(), "target x on linux/amd64 was not built within 1s") {
			t.Errorf("failure %v", f)
		}
		p.wantTree("out", nil)
	}
}

// TestDependsOn: a target begins when those that it waits for are built, and is not begun if one of them failed. A bound
// of one build at a time must not make it wait for ever.
func TestDependsOn(t *testing.T) {
	text := `FROM scratch AS second
COPY tool /tool
RUN ["/tool", "write", "/b", "NOW"]
FROM scratch AS first
COPY tool /tool
RUN ["/tool", "write", "/a", "NOW"]
FROM first AS bad
RUN ["/tool", "fail", "3"]
`
	p := newProject(t, map[string]string{"Dockerfile": text})
	p.now("Dockerfile")
	// In the order of the file the one that waits comes first.
	second := p.target("second", "linux/amd64", func(b *schema.Build) { b.Stage, b.Outputs = "second", p.local("second") })
	second.DependsOn = []string{"first"}
	p.target("first", "linux/amd64 linux/386", func(b *schema.Build) { b.Stage = "first" })
	o := p.runWith(timeout(t, time.Minute), p.plan("second"), exec.Options{Parallel: 1}, nil)
	o.must(t, "client")
	var firstDone, secondStarted time.Time
	for _, e := range o.events {
		switch {
		case e.Type == exec.StepDone && strings.Contains(e.Name, `"/a"`):
			firstDone = e.Time
		case e.Type == exec.StepStarted && strings.Contains(e.Name, `"/b"`):
			secondStarted = e.Time
		}
	}
	if firstDone.IsZero() || !secondStarted.After(firstDone) {
		t.Errorf("first was done at %s, second began at %s", firstDone, secondStarted)
	}
	p.cfg.Targets[1].Base.Stage, p.cfg.Targets[1].Platforms = "bad", p.cfg.Targets[1].Platforms[:1]
	pl := p.plan("second")
	o = p.runWith(timeout(t, time.Minute), pl, exec.Options{KeepGoing: true, NoCache: true}, nil)
	f := o.only(t)
	if f.ExitCode != 3 || len(pl.StoppedBy(f.Stage, f.Uses)) != 2 {
		t.Errorf("failure %+v of %v, want the one cause with all it stopped", f, f.Uses)
	}
	if n := len(o.done(`"/b"`)); n != 0 {
		t.Error("the target that waits was begun")
	}
}

func TestConcurrencyOfATarget(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY tool /tool\nRUN [\"/tool\", \"nap\", \"NOW\"]\n"})
	p.now("Dockerfile")
	x := p.target("x", "linux/amd64 linux/386", nil)
	x.Concurrency = 1
	o := p.mustRun("x")
	var last time.Time
	for _, e := range o.done("nap") {
		if e.Started.Before(last) {
			t.Errorf("two platforms were built at the same time")
		}
		last = e.Time
	}
	if n := len(o.done("nap")); n != 2 {
		t.Errorf("%d steps, want two", n)
	}
}
