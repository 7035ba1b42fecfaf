//go:build linux

package buildkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// checkedPlan is a plan of the target x in which the stage "build" counts as checked by its result, and whose alternative is the
// same target built from another text; no alternative for an empty one.
func (p *project) checkedPlan(alternative string) *plan.Plan {
	p.t.Helper()
	checked := plan.Checked
	pl := p.plan("x")
	for i := range pl.Stages {
		if pl.Stages[i].Stage == "build" {
			pl.Stages[i].Evidence = &checked
		}
	}
	if alternative == "" {
		pl.Alternative = &plan.Plan{Targets: []plan.Target{{Name: "x", Missing: []plan.Missing{{Platform: "linux/s390x", Reason: "nothing emulates it"}}}}}
		return pl
	}
	p.write("alternative", alternative)
	was := p.cfg.Targets[0].Base.Dockerfile
	p.cfg.Targets[0].Base.Dockerfile = filepath.Join(p.dir, "alternative")
	pl.Alternative = p.plan("x")
	p.cfg.Targets[0].Base.Dockerfile = was
	return pl
}

// TestFallBack: whatever way a program for another machine is handed on by, the build is made in the alternative way before
// anything is written; scripts, and what the user's own files are, are no reason.
func TestFallBack(t *testing.T) {
	const alternative = "FROM scratch\nCOPY alternative /alternative\n"
	fell := map[string]string{"alternative": alternative}
	for _, tc := range []struct {
		name, text, platform string
		wrong                string // what the result says of the file
	}{
		{"a file", "COPY --from=build /out/tool /", "linux/s390x", "out/tool of stage build is ELF amd64"},
		{"a folder", "COPY --from=build /out/ /", "linux/s390x", "out/tool of stage build is ELF amd64"},
		{"a pattern", "COPY --from=build /o*/t?ol /", "linux/s390x", "out/tool of stage build is ELF amd64"},
		{"a link", "COPY --from=build /out/link /", "linux/s390x", "out/link of stage build is ELF amd64"},
		{"a linked folder", "COPY --from=build /linked/tool /", "linux/s390x", "linked/tool of stage build is ELF amd64"},
		{"with link", "COPY --link --from=build /out/tool /", "linux/s390x", "out/tool of stage build is ELF amd64"},
		{"by another stage", "COPY --from=build /out/tool /x\nFROM scratch\nCOPY --from=1 /x /", "linux/s390x", "out/tool of stage build is ELF amd64"},
		{"a script", "COPY --from=build /out/script /", "linux/s390x", ""},
		{"a pattern beside it", "COPY --from=build /out/s* /", "linux/s390x", ""},
		{"the user's own", "COPY --from=build /out/script /\nCOPY tool /tool", "linux/s390x", ""},
		{"the right one", "COPY --from=build /out/tool /", "linux/amd64", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := "FROM scratch AS build\nCOPY tree/ /\nCOPY tool /out/tool\nFROM scratch\n" + tc.text + "\n"
			p := newProject(t, map[string]string{"Dockerfile": text, "tree/out/script": "#!/bin/sh\n"})
			for name, to := range map[string]string{"tree/out/link": "tool", "tree/linked": "out"} {
				if err := os.Symlink(to, filepath.Join(p.dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			p.target("x", tc.platform, func(b *schema.Build) { b.Outputs = p.local("out") })
			o := p.run(p.checkedPlan(alternative))
			o.must(t, "client")
			if got := o.res.Builds[0].Fallback; got != tc.wrong {
				t.Errorf("fallback %q, want %q", got, tc.wrong)
			}
			if got := p.tree("out"); (got["alternative"] != "") != (tc.wrong != "") {
				t.Errorf("written: %v", got)
			} else if tc.wrong != "" {
				p.wantTree("out", fell)
			}
		})
	}
}

// TestNoFallBack: without an alternative nothing is written, and the error says why there is none.
func TestNoFallBack(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS build\nCOPY tool /out/tool\nFROM scratch\nCOPY --from=build /out/tool /\n"})
	p.target("x", "linux/s390x", func(b *schema.Build) { b.Outputs = p.local("out") })
	f := p.run(p.checkedPlan("")).only(t)
	for _, want := range []string{"out/tool of stage build is ELF amd64, but target x is built for linux/s390x", "nothing was written", "nothing emulates it"} {
		if f.Kind != exec.OutputFailed || !strings.Contains(f.Error(), want) {
			t.Errorf("failure %s %v, want %q", f.Kind, f, want)
		}
	}
	p.wantTree("out", nil)
}

// TestAlternativeFails: what goes wrong in the alternative is a failure of the build.
func TestAlternativeFails(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS build\nCOPY tool /out/tool\nFROM scratch\nCOPY --from=build /out/tool /\n"})
	p.target("x", "linux/s390x", func(b *schema.Build) { b.Outputs = p.local("out") })
	f := p.run(p.checkedPlan("FROM scratch\nCOPY nothing /\n")).only(t)
	if !strings.Contains(f.Error(), "nothing") || len(f.Uses) != 1 || f.At == nil || f.At.Start.Line != 2 {
		t.Errorf("failure %+v: %v", f, f)
	}
	p.wantTree("out", nil)
}

// TestFallBackIsLinked: what links to a build that falls back takes the alternative, too.
func TestFallBackIsLinked(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS build\nCOPY tool /out/tool\nFROM scratch\nCOPY --from=build /out/tool /\n",
		"user": "FROM scratch\nCOPY --from=lib / /lib/\n"})
	p.target("x", "linux/s390x", nil)
	p.target("y", "linux/s390x", func(b *schema.Build) {
		b.Dockerfile, b.Contexts, b.Outputs = filepath.Join(p.dir, "user"), map[string]string{"lib": "target:x"}, p.local("out")
	})
	checked := plan.Checked
	pl := p.plan("y")
	for i := range pl.Stages {
		if pl.Stages[i].Stage == "build" {
			pl.Stages[i].Evidence = &checked
		}
	}
	p.write("alternative", "FROM scratch\nCOPY alternative /alternative\n")
	p.cfg.Targets[0].Base.Dockerfile = filepath.Join(p.dir, "alternative")
	pl.Alternative = p.plan("y")
	o := p.run(pl)
	o.must(t, "client")
	p.wantTree("out", map[string]string{"lib/alternative": "FROM scratch\nCOPY alternative /alternative\n"})
}
