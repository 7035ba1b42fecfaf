//go:build linux

package buildkit

import (
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

const compiling = `FROM scratch AS one
COPY tool /tool
RUN ["/tool", "write", "/a", "one"]
FROM scratch AS two
COPY tool /tool
RUN ["/tool", "write", "/b", "two"]
FROM scratch AS three
COPY tool /tool
RUN ["/tool", "write", "/c", "three"]
FROM scratch
COPY --from=one /a /
COPY --from=two /b /
COPY --from=three /c /
`

// TestOneCompileGoesAhead: of the steps that share a compile cache, one is done before another begins.
func TestOneCompileGoesAhead(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": compiling})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	pl := p.plan("x")
	for i := range pl.Stages {
		if pl.Stages[i].Stage != "stage-3" {
			pl.Stages[i].Caches = []string{"shared"}
		}
	}
	o := p.runWith(timeout(t, time.Minute), pl, exec.Options{NoCache: true}, nil)
	o.must(t, "client")
	p.wantTree("out", map[string]string{"a": "one\n", "b": "two\n", "c": "three\n"})
	var first time.Time
	began := map[string]time.Time{}
	for _, e := range o.events {
		if !strings.HasPrefix(e.Name, "RUN") {
			continue
		}
		if e.Type == exec.StepDone && first.IsZero() {
			first = e.Time
		}
		if e.Type == exec.StepStarted {
			began[e.Name] = e.Time
		}
	}
	later := 0
	for name, at := range began {
		if !at.Before(first) {
			later++
		} else if !strings.Contains(name, "one") {
			t.Errorf("%s began before the first compile was done", name)
		}
	}
	if len(began) != 3 || later != 2 {
		t.Errorf("%d of %d steps began after the first was done, want 2 of 3", later, len(began))
	}
}

// TestAFailingFirstCompileIsTheFailure: the step that goes ahead fails like any other, and is one cause.
func TestAFailingFirstCompileIsTheFailure(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": strings.Replace(compiling, `"write", "/a", "one"`, `"fail", "7"`, 1)})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	pl := p.plan("x")
	for i := range pl.Stages {
		pl.Stages[i].Caches = []string{"shared"}
	}
	o := p.run(pl)
	if f := o.only(t); f.ExitCode != 7 || f.At == nil || f.At.Start.Line != 3 {
		t.Errorf("failure %+v, want exit code 7 at line 3", f)
	}
}
