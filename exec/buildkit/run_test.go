//go:build linux

package buildkit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

const twoPlatforms = "linux/amd64 linux/arm64"

func TestLocalOutputForTwoPlatforms(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": `FROM scratch AS files
ARG TARGETARCH
COPY data/$TARGETARCH /data
COPY common /common
`, "data/amd64": "for amd64\n", "data/arm64": "for arm64\n", "common": "for both\n", "unused": "never sent\n"})
	p.target("files", twoPlatforms, func(b *schema.Build) { b.Outputs = p.local("out") })
	want := map[string]string{"linux_amd64/data": "for amd64\n", "linux_amd64/common": "for both\n",
		"linux_arm64/data": "for arm64\n", "linux_arm64/common": "for both\n"}
	o := p.mustRun("files")
	p.wantTree("out", want)
	if got := o.res.Outputs; len(got) != 1 || got[0].Files != 4 || got[0].Unchanged || got[0].Dest != filepath.Join(p.dir, "out") {
		t.Errorf("outputs = %+v, want one of 4 files, changed", got)
	}
	if n := len(o.done("load build context")); n != 1 {
		t.Errorf("the context was read %d times, want once for both platforms", n)
	}
	o = p.mustRun("files")
	p.wantTree("out", want)
	if got := o.res.Outputs; len(got) != 1 || !got[0].Unchanged {
		t.Errorf("outputs of the second run = %+v, want unchanged", got)
	}
	o.wantCached(t, "second run")
}

func TestOnePlatformGoesToTheRoot(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "A\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) {
		b.Outputs = append(p.local("out"), p.local("also/here")...)
	})
	o := p.mustRun("x")
	p.wantTree("out", map[string]string{"a": "A\n"})
	p.wantTree("also/here", map[string]string{"a": "A\n"})
	if len(o.res.Outputs) != 2 {
		t.Errorf("outputs = %+v, want two", o.res.Outputs)
	}
}

func TestArgumentsLabelsAndStage(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": `FROM scratch AS one
ARG WHO=nobody
COPY tool /tool
RUN ["/tool", "env", "/who", "WHO"]
FROM scratch AS two
COPY tool /wrong
FROM scratch AS out
COPY --from=one /who /
FROM two
`})
	p.target("x", "linux/amd64", func(b *schema.Build) {
		b.Outputs, b.Stage, b.Args = p.local("out"), "out", map[string]string{"WHO": "me"}
	})
	o := p.mustRun("x")
	p.wantTree("out", map[string]string{"who": "me\n"})
	run := o.done(`RUN ["/tool"`)
	if len(run) != 1 || run[0].Line != 4 || len(run[0].Stages) != 1 {
		t.Errorf("the RUN was reported as %+v, want once, at line 4, in one stage", run)
	}
}

func TestIgnoreFile(t *testing.T) {
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY src /src\n", "src/keep": "k\n", "src/drop": "d\n", ".dockerignore": "src/drop\n"}
	p := newProject(t, files)
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	p.mustRun("x")
	p.wantTree("out", map[string]string{"src/keep": "k\n"})
	// The Dockerfile's own file comes first.
	p.write("Dockerfile.dockerignore", "src/keep\n")
	p.target("y", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out2") })
	p.mustRun("y")
	p.wantTree("out2", map[string]string{"src/drop": "d\n"})
}

func TestNamedContextFolder(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY --from=lib / /lib\nCOPY a /\n", "a": "A\n"})
	lib := filepath.Join(t.TempDir(), "lib")
	for name, text := range map[string]string{"x": "X\n", "skip": "no\n", ".dockerignore": "skip\n.dockerignore\n"} {
		os.MkdirAll(lib, 0o755)
		if err := os.WriteFile(filepath.Join(lib, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.target("x", "linux/amd64", func(b *schema.Build) {
		b.Outputs, b.Contexts = p.local("out"), map[string]string{"lib": lib}
	})
	p.mustRun("x")
	p.wantTree("out", map[string]string{"a": "A\n", "lib/x": "X\n"})
}

func TestLinkedTarget(t *testing.T) {
	p := newProject(t, map[string]string{
		"base.Dockerfile": "FROM scratch\nENV GREETING=hello\nCOPY tool /tool\nCOPY here /here\n", "here": "base\n",
		"Dockerfile": "FROM base AS build\nRUN [\"/tool\", \"env\", \"/greeting\", \"GREETING\"]\nFROM scratch\nCOPY --from=build /greeting /here /\n"})
	sub := filepath.Join(t.TempDir(), "ctx") // the two targets read different folders
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	p.target("base", "linux/amd64", func(b *schema.Build) { b.Dockerfile = filepath.Join(p.dir, "base.Dockerfile") })
	p.target("app", "linux/amd64", func(b *schema.Build) {
		b.Context, b.Outputs, b.Contexts = sub, p.local("out"), map[string]string{"base": "target:base"}
	})
	pl := p.plan("app")
	o := p.run(pl)
	o.must(t, "client")
	p.wantTree("out", map[string]string{"greeting": "hello\n", "here": "base\n"})
	if len(o.res.Builds) != 2 {
		t.Errorf("builds = %+v, want the linked one too", o.res.Builds)
	}
	if e := o.done("COPY here"); len(e) != 1 || !slices.Equal(names(pl, e[0].Stages), []string{"stage-0"}) || e[0].Line != 4 {
		t.Errorf("the linked target's COPY is %+v, want it in its own stage, at line 4", e)
	}
}

const failing = `FROM scratch AS base
COPY tool /tool

RUN ["/tool", "fail", "7"]

FROM base AS one
COPY a /a
FROM base AS two
COPY b /b
`

func TestFailingSharedStageIsOneFailure(t *testing.T) {
	for _, keep := range []bool{false, true} {
		p := newProject(t, map[string]string{"Dockerfile": failing, "a": "A", "b": "B"})
		for _, name := range []string{"one", "two"} {
			p.target(name, "linux/amd64", func(b *schema.Build) { b.Stage, b.Outputs = name, p.local("out/"+name) })
		}
		p.write("out/one/a", "old\n")
		pl := p.plan("one", "two")
		o := p.runWith(timeout(t, time.Minute), pl, exec.Options{KeepGoing: keep}, nil)
		f := o.only(t)
		if f.Kind != exec.StepFailed || f.ExitCode != 7 || f.At == nil || f.At.Start.Line != 4 || f.At.Filename != "Dockerfile" {
			t.Errorf("failure = %+v at %v, want exit code 7 at Dockerfile:4", f, f.At)
		}
		if s := pl.Stage(f.Stage); s == nil || s.Stage != "base" {
			t.Errorf("failed stage = %+v, want base", s)
		}
		if string(f.Source) != failing {
			t.Error("the failure does not quote the Dockerfile")
		}
		if n := len(f.Log); n == 0 || n > 20 || f.Log[n-1] != "line 29" {
			t.Errorf("log = %q, want its last lines", f.Log)
		}
		if keep && len(f.Uses) != 2 {
			t.Errorf("uses = %v, want both targets", f.Uses)
		}
		p.wantTree("out", map[string]string{"one/a": "old\n"})
	}
}

func TestKeepGoingReportsEveryCause(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": `FROM scratch AS one
COPY tool /tool
RUN ["/tool", "fail", "1"]
FROM scratch AS two
COPY tool /tool
RUN ["/tool", "fail", "2"]
FROM scratch AS three
COPY missing /
FROM scratch AS four
COPY tool /
`})
	for _, name := range []string{"one", "two", "three", "four"} {
		platforms := "linux/amd64"
		if name == "three" {
			platforms = twoPlatforms // one complaint, though the steps are two
		}
		p.target(name, platforms, func(b *schema.Build) { b.Stage, b.Outputs = name, p.local("out/"+name) })
	}
	o := p.runWith(timeout(t, time.Minute), p.plan("one", "two", "three", "four"), exec.Options{KeepGoing: true}, nil)
	fs := o.failures(t)
	lines := map[int]string{}
	for _, f := range fs {
		if f.At == nil || len(f.Uses) != len(p.cfg.Target(f.Uses[0].Target).Platforms) {
			t.Fatalf("failure %v at %v of %v", f, f.At, f.Uses)
		}
		lines[f.At.Start.Line] = f.Error()
	}
	if len(fs) != 3 || lines[3] == "" || lines[6] == "" || !strings.Contains(lines[8], `"/missing": not found in the context `+p.dir) {
		t.Errorf("failures = %v, want those of lines 3, 6 and 8", lines)
	}
	p.wantTree("out", nil)
}

func TestCancelLeavesTheDestination(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"sleep\"]\n"})
	p.write("out/file", "old\n")
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	pl := p.plan("x")
	ctx, cancel := context.WithCancel(timeout(t, time.Minute))
	o := p.runWith(ctx, pl, exec.Options{}, func(e exec.Event) {
		if e.Type == exec.StepLog && strings.Contains(string(e.Data), "sleeping") {
			cancel() // the step would sleep for ten minutes
		}
	})
	if !errors.Is(o.err, context.Canceled) {
		t.Fatalf("error = %v, want that of the context", o.err)
	}
	p.wantTree("out", map[string]string{"file": "old\n"})
}

func TestRewrittenDockerfilePointsAtTheUsersLines(t *testing.T) {
	user := "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"fail\", \"3\"]\n"
	p := newProject(t, map[string]string{"Dockerfile": user})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	pl := p.plan("x")
	rewritten := "FROM --platform=$BUILDPLATFORM scratch\nCOPY tool /tool\nARG TARGETOS TARGETARCH\nARG GOOS=$TARGETOS\nRUN [\"/tool\", \"fail\", \"3\"]\n"
	pl.Dockerfiles[0].Rewritten, pl.Dockerfiles[0].Lines = &rewritten, []int{1, 2, 3, 3, 3, 4}
	o := p.run(pl)
	f := o.only(t)
	if f.At == nil || f.At.Start.Line != 3 || f.At.End.Line != 3 || string(f.Source) != user || f.ExitCode != 3 || f.Stage == "" {
		t.Errorf("failure = %+v at %v, want line 3 of the user's text", f, f.At)
	}
	for _, e := range o.events {
		if e.Line > 3 {
			t.Errorf("event %q is at line %d of a file of 3 lines", e.Name, e.Line)
		}
	}
}

func TestMismatchOfRewrittenBuildWritesNothing(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n"})
	p.write("out/old", "old\n")
	p.target("x", "linux/s390x", func(b *schema.Build) { b.Outputs = p.local("out") })
	pl := p.plan("x")
	proven := plan.Proven
	pl.Stages[0].Evidence = &proven
	f := p.run(pl).only(t)
	if f.Kind != exec.OutputFailed || !strings.Contains(f.Error(), "tool of target x is ELF") {
		t.Errorf("failure = %+v, want the wrong machine", f)
	}
	p.wantTree("out", map[string]string{"old": "old\n"})
	// As written it is the user's own business.
	pl.Stages[0].Evidence = nil
	o := p.run(pl)
	o.must(t, "client")
	if !slices.ContainsFunc(o.res.Warnings, func(w exec.Warning) bool { return strings.Contains(w.Text, "tool of target x") }) {
		t.Error("no warning about the program for another machine")
	}
}

func TestNoCacheRunsAgain(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"write\", \"/x\", \"" +
		time.Now().String() + "\"]\n"}) // never built before
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	for i, noCache := range []bool{false, false, true} {
		o := p.runWith(timeout(t, time.Minute), p.plan("x"), exec.Options{NoCache: noCache}, nil)
		o.must(t, "client")
		e := o.done("RUN")
		if len(e) != 1 || e[0].Cached != (i == 1) {
			t.Errorf("run %d: %+v", i, e)
		}
	}
}

func TestMissingBaseImage(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS a\nFROM nosuch:1 AS b\nCOPY tool /\n"})
	p.target("x", twoPlatforms, func(b *schema.Build) { b.Outputs = p.local("out") })
	f := p.runWith(timeout(t, time.Minute), p.plan("x"), exec.Options{KeepGoing: true}, nil).only(t)
	if f.At == nil || f.At.Start.Line != 2 || !strings.Contains(f.Error(), "base image nosuch:1 does not exist") || len(f.Uses) != 2 {
		t.Errorf("failure = %+v at %v, want one for both platforms at line 2", f, f.At)
	}
}

func TestMissingContext(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Context = filepath.Join(p.dir, "nowhere") })
	if f := p.run(p.plan("x")).only(t); !strings.Contains(f.Error(), "nowhere does not exist") {
		t.Errorf("failure = %v", f)
	}
}
