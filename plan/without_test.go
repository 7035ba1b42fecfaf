package plan

import (
	"fmt"
	"testing"

	"github.com/xbuild/xbuild/schema"
)

// TestWithout: what only the builds that are done need is gone, and what others link to stays without its outputs.
func TestWithout(t *testing.T) {
	amd64, arm64 := schema.Platform{OS: "linux", Arch: "amd64"}, schema.Platform{OS: "linux", Arch: "arm64"}
	use := func(target string, q schema.Platform) Use { return Use{target, q.String()} }
	p := &Plan{
		Targets: []Target{{Name: "base", Requested: true}, {Name: "app", Requested: true}, {Name: "other", Requested: true}},
		Stages: []Stage{{ID: "b", Kind: Shared, For: []Use{use("base", amd64), use("app", amd64), use("app", arm64)}},
			{ID: "a1", Kind: Cross, For: []Use{use("app", amd64)}}, {ID: "a2", Kind: Cross, For: []Use{use("app", arm64)}},
			{ID: "o", Kind: Native, For: []Use{use("other", amd64)}}},
		Builds: []Build{{Target: "base", Platform: amd64, Requested: true},
			{Target: "app", Platform: amd64, Requested: true, Links: map[string]Use{"base": use("base", amd64)}},
			{Target: "app", Platform: arm64, Requested: true, Links: map[string]Use{"base": use("base", amd64)}},
			{Target: "other", Platform: amd64, Requested: true}},
	}
	got := p.Without([]Use{use("base", amd64), use("app", arm64), use("other", amd64)})
	text := ""
	for _, b := range got.Builds {
		text += fmt.Sprintln("build", b.Target, b.Platform, b.Requested)
	}
	for _, s := range got.Stages {
		text += fmt.Sprintln("stage", s.ID, s.For)
	}
	for _, x := range got.Targets {
		text += fmt.Sprintln("target", x.Name, x.Requested)
	}
	text += fmt.Sprintln(got.Counts)
	want := `build base linux/amd64 false
build app linux/amd64 true
stage b [{base linux/amd64} {app linux/amd64}]
stage a1 [{app linux/amd64}]
target base false
target app true
{2 1 1 0 0 0 0}
`
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if len(p.Builds) != 4 || !p.Builds[0].Requested || len(p.Stages[0].For) != 3 || !p.Targets[0].Requested {
		t.Error("the plan itself was changed")
	}
	if none := p.Without([]Use{use("base", amd64), use("app", amd64), use("app", arm64), use("other", amd64)}); len(none.Builds)+len(none.Stages) != 0 {
		t.Errorf("something is left: %+v", none)
	}
}
