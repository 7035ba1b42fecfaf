package buildkit

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// optional makes some platforms of a target optional.
func optional(t *schema.Target, platforms ...string) {
	t.PerPlatform = map[schema.Platform]*schema.Build{}
	for _, p := range t.Platforms {
		b := t.Base
		b.Optional = slices.Contains(platforms, p.String())
		t.PerPlatform[p] = &b
	}
}

// TestOptionalPlatformFails: its target is finished without it, and so is what links to it where it is optional there too.
func TestOptionalPlatformFails(t *testing.T) {
	p := newProject(t, map[string]string{
		"Dockerfile": "FROM scratch AS dep\nARG TARGETARCH\nCOPY only-$TARGETARCH /file\nFROM scratch AS app\nCOPY --from=base /file /copy\n", "only-amd64": "x"})
	dep := p.target("dep", twoPlatforms, func(b *schema.Build) { b.Stage, b.Outputs = "dep", p.local("dep") })
	app := p.target("app", twoPlatforms, func(b *schema.Build) {
		b.Stage, b.Outputs, b.Contexts = "app", p.local("app"), map[string]string{"base": "target:dep"}
	})
	optional(dep, "linux/arm64")
	optional(app, "linux/arm64")
	o := p.run(p.plan("dep", "app"))
	if o.err != nil {
		t.Fatal(o.err)
	}
	if len(o.res.Missing) != 1 || o.res.Missing[0].At == nil || o.res.Missing[0].At.Start.Line != 3 {
		t.Fatalf("missing = %v, want one cause in line 3", o.res.Missing)
	}
	want := []plan.Use{{Target: "dep", Platform: "linux/arm64"}, {Target: "app", Platform: "linux/arm64"}}
	if got := o.res.Missing[0].Uses; !slices.Equal(got, want) {
		t.Errorf("it stops %v, want %v", got, want)
	}
	for dir, file := range map[string]string{"dep": "linux_amd64/file", "app": "linux_amd64/copy"} {
		if got := slices.Collect(maps.Keys(p.tree(dir))); !slices.Contains(got, file) || slices.ContainsFunc(got, func(s string) bool { return s == "linux_arm64" }) {
			t.Errorf("%s has %v, want %s and nothing of arm64", dir, got, file)
		}
	}
}

// TestOptionalPlatformIsNeeded: a target that cannot do without it fails, and then nothing is written.
func TestOptionalPlatformIsNeeded(t *testing.T) {
	p := newProject(t, map[string]string{
		"Dockerfile": "FROM scratch AS dep\nCOPY missing /\nFROM scratch AS app\nCOPY --from=base / /copy\nFROM scratch AS fine\nCOPY tool /\n"})
	dep := p.target("dep", "linux/arm64", func(b *schema.Build) { b.Stage, b.Outputs = "dep", p.local("dep") })
	optional(dep, "linux/arm64")
	p.target("app", "linux/arm64", func(b *schema.Build) {
		b.Stage, b.Outputs, b.Contexts = "app", p.local("app"), map[string]string{"base": "target:dep"}
	})
	p.target("fine", "linux/amd64", func(b *schema.Build) { b.Stage, b.Outputs = "fine", p.local("fine") })
	o := p.runWith(timeout(t, time.Minute), p.plan("dep", "app", "fine"), exec.Options{KeepGoing: true}, nil)
	if f := o.only(t); f.At == nil || f.At.Start.Line != 2 {
		t.Errorf("failure at %v, want line 2", f.At)
	}
	if len(o.res.Missing) > 0 {
		t.Errorf("the same cause is told as missing, too: %v", o.res.Missing)
	}
	p.wantTree("fine", nil)
}

// TestOrderAfterAnOptionalFailure: what waits for a target begins when the target is finished without the platform.
func TestOrderAfterAnOptionalFailure(t *testing.T) {
	p := newProject(t, map[string]string{
		"Dockerfile": "FROM scratch AS first\nARG TARGETARCH\nCOPY only-$TARGETARCH /file\nFROM scratch AS then\nCOPY tool /\n", "only-amd64": "x"})
	first := p.target("first", twoPlatforms, func(b *schema.Build) { b.Stage, b.Outputs = "first", p.local("first") })
	optional(first, "linux/arm64")
	then := p.target("then", "linux/amd64", func(b *schema.Build) { b.Stage, b.Outputs = "then", p.local("then") })
	then.DependsOn = []string{"first"}
	o := p.run(p.plan("first", "then"))
	if o.err != nil || len(o.res.Missing) != 1 {
		t.Fatalf("%v, missing %v, want one that is missing and no error", o.err, o.res.Missing)
	}
	p.wantTree("then", map[string]string{"tool": "(program)"})
}
