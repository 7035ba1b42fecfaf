//go:build linux

package buildkit

import (
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// TestCall: what a Dockerfile says of itself, without a build; linked targets are not built for it.
func TestCall(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM base AS Build\nCOPY tool /tool\nRUN [\"/tool\", \"fail\", \"1\"]\nFROM scratch\nCOPY --from=Build /x /\n"})
	p.target("base", "linux/amd64", func(b *schema.Build) { b.DockerfileInline = "FROM scratch\nCOPY nothing /\n" })
	linked := func(call string) func(*schema.Build) {
		return func(b *schema.Build) { b.Call, b.Contexts = call, map[string]string{"base": "target:base"} }
	}
	p.target("check", twoPlatforms, linked("lint"))
	p.target("list", "linux/amd64", linked("targets"))
	p.target("clean", "linux/amd64", func(b *schema.Build) { b.Call, b.DockerfileInline = "lint", "FROM scratch\nCOPY tool /\n" })
	pl := p.plan("check", "list", "clean")
	answers, err := p.b.Call(timeout(t, time.Minute), pl, exec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(answers) != 3 {
		t.Fatalf("answers %+v, want one for each target", answers)
	}
	check, list, clean := answers[0], answers[1], answers[2]
	if check.Target != "check" || check.Status == 0 || !strings.Contains(check.Text, "StageNameCasing") || len(check.JSON) == 0 {
		t.Errorf("check answers %+v", check)
	}
	if list.Status != 0 || !strings.Contains(list.Text, "build") {
		t.Errorf("targets answers %+v", list)
	}
	if clean.Status != 0 {
		t.Errorf("a Dockerfile without faults answers %+v", clean)
	}
	p.target("bad", "linux/amd64", func(b *schema.Build) { b.Call, b.DockerfileInline = "frontend.nonsense", "FROM scratch\nCOPY tool /\n" })
	if _, err := p.b.Call(timeout(t, time.Minute), p.plan("bad"), exec.Options{}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v", err)
	}
}

// A build file says check where the command line says lint; both are the same request.
func TestCheckIsLint(t *testing.T) {
	if callRequests["check"] != callRequests["lint"] || callRequests["check"] == "" {
		t.Errorf("check asks for %q", callRequests["check"])
	}
}
