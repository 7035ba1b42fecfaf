//go:build linux

package buildkit

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// TestProgramsOfImagesAreChecked: nothing is pushed or archived if a stage that the plan rewrote hands on a program for
// another machine, or if the target wants to be verified; else it is pushed.
func TestProgramsOfImagesAreChecked(t *testing.T) {
	const text = `FROM scratch AS build
COPY tool /out/tool
COPY script /out/script
FROM scratch
COPY --from=build /out/ /usr/bin/
COPY script /script
`
	proven := plan.Proven
	for _, tc := range []struct {
		name              string
		platform          string
		rewritten, verify bool
		bad               bool
	}{
		{"rewritten", "linux/s390x", true, false, true},
		{"verified", "linux/s390x", false, true, true},
		{"aswritten", "linux/s390x", false, false, false},
		{"right", "linux/amd64", true, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProject(t, map[string]string{"Dockerfile": text, "script": "#!/bin/sh\n"})
			p.target("x", tc.platform, func(b *schema.Build) {
				push(b, bed.registry+"/checked-"+tc.name+":1")
				b.Outputs = append(b.Outputs, schema.Output{Type: schema.OutputOCI, Dest: filepath.Join(p.dir, "out", "x.tar")})
				b.Verify = tc.verify
			})
			pl := p.plan("x")
			if tc.rewritten {
				for i := range pl.Stages {
					if pl.Stages[i].Stage == "build" {
						pl.Stages[i].Evidence = &proven
					}
				}
			}
			o := p.run(pl)
			pushed := fetchManifest(t, "checked-"+tc.name, "1").MediaType != ""
			if pushed == tc.bad || len(p.tree("out")) == 0 != tc.bad {
				t.Errorf("pushed: %v, archive: %v", pushed, p.tree("out"))
			}
			if !tc.bad {
				o.must(t, "client")
				return
			}
			if f := o.only(t); f.Kind != exec.OutputFailed || !strings.Contains(f.Error(), "usr/bin/tool of target x is ELF amd64, but was built for linux/s390x") {
				t.Errorf("failure %+v: %v", f, f)
			}
		})
	}
}

// TestVerifyWithoutOutputs: a target with verify is looked through also if nothing is written.
func TestVerifyWithoutOutputs(t *testing.T) {
	for name, outputs := range map[string][]schema.Output{"none": nil, "cacheonly": {{Type: schema.OutputCacheOnly}}} {
		t.Run(name, func(t *testing.T) {
			p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n"})
			p.target("x", "linux/s390x", func(b *schema.Build) { b.Outputs, b.Verify = outputs, true })
			if f := p.run(p.plan("x")).only(t); !strings.Contains(f.Error(), "verify = true") {
				t.Errorf("failure %v", f)
			}
		})
	}
}

func TestVerifyFiles(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n"})
	p.target("x", "linux/s390x", func(b *schema.Build) { b.Outputs, b.Verify = p.local("out"), true })
	if f := p.run(p.plan("x")).only(t); !strings.Contains(f.Error(), "verify = true") {
		t.Errorf("failure %v", f)
	}
	p.wantTree("out", nil)

	p.target("warned", "linux/s390x", func(b *schema.Build) { b.Outputs = p.local("out") })
	o := p.run(p.plan("warned"))
	o.must(t, "client")
	want := []exec.Warning{{Target: "warned", Platform: "linux/s390x", Text: "tool of target warned is ELF amd64, but was built for linux/s390x"}}
	if !slices.Equal(o.res.Warnings, want) {
		t.Errorf("warnings %v, want %v", o.res.Warnings, want)
	}
}
