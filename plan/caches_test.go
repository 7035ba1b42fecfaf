package plan_test

import (
	"strings"
	"testing"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// TestCacheParts: a place that several targets write is split between them, one that only one writes is not.
func TestCacheParts(t *testing.T) {
	registry := func(ref string) []schema.Cache {
		return []schema.Cache{{Type: "registry", Attrs: map[string]string{"ref": ref, "mode": "max"}}}
	}
	build := func(name string, from, to []schema.Cache) *schema.Target {
		return &schema.Target{Name: name, Base: schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", Strategy: schema.AsWritten, CacheFrom: from, CacheTo: to}}
	}
	cfg := &schema.Config{Dir: "/p", Targets: []*schema.Target{
		build("a", registry("r.example/c:v1"), registry("r.example/c:v1")),
		build("b", registry("r.example/c:v1"), registry("r.example/c:v1")),
		build("reader", registry("r.example/c:v1"), nil),
		build("alone", registry("r.example/own"), append(registry("r.example/own"), schema.Cache{Type: "inline"})),
		build("here", nil, []schema.Cache{{Type: "local", Attrs: map[string]string{"dest": "/cache"}}, {Type: "gha"}}),
		build("there", []schema.Cache{{Type: "local", Attrs: map[string]string{"src": "/cache"}}}, []schema.Cache{{Type: "local", Attrs: map[string]string{"dest": "/cache/"}}, {Type: "gha"}}),
	}}
	facts := plan.Facts{Dockerfiles: map[string]plan.DockerfileFact{"/p/Dockerfile": {Text: "FROM scratch\nCOPY a /\n"}}, Local: schema.MustPlatform("linux/amd64")}
	for only, targets := range map[string][]string{"": {"a", "b", "reader", "alone", "here", "there"}, "a": {"a"}} {
		p, diags := plan.Make(cfg, plan.Request{Targets: targets}, facts)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, b := range p.Builds {
			want := map[string]string{
				"a":      "r.example/c:v1-a r.example/c:v1 > r.example/c:v1-a",
				"b":      "r.example/c:v1-b r.example/c:v1 > r.example/c:v1-b",
				"reader": "r.example/c:v1-a r.example/c:v1-b r.example/c:v1 >",
				"alone":  "r.example/own > r.example/own inline",
				"here":   "> /cache/here buildkit-here",
				"there":  "/cache/there /cache > /cache/there buildkit-there",
			}[b.Target]
			var words []string
			add := func(cs []schema.Cache) {
				for _, c := range cs {
					w := c.Attrs["ref"] + c.Attrs["src"] + c.Attrs["dest"] + c.Attrs["scope"]
					if w == "" {
						w = c.Type
					}
					words = append(words, w)
				}
			}
			add(b.CacheFrom)
			words = append(words, ">")
			add(b.CacheTo)
			if got := strings.Join(words, " "); got != want {
				t.Errorf("%q only: %s: %q, want %q", only, b.Target, got, want)
			}
		}
	}
	if cfg.Targets[0].Base.CacheTo[0].Attrs["ref"] != "r.example/c:v1" {
		t.Error("the build file's own values were changed")
	}
}

// TestCacheTypes: a cache that the builder lacks is refused before anything is built, at the line of its attribute, once.
func TestCacheTypes(t *testing.T) {
	at := diag.Range{Filename: "x.hcl", Start: diag.Pos{Line: 4}}
	amd := []schema.Platform{schema.MustPlatform("linux/amd64"), schema.MustPlatform("linux/arm64")}
	target := &schema.Target{Name: "a", Platforms: amd, Ranges: map[string]diag.Range{"cache-to": at},
		Base: schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", Strategy: schema.AsWritten,
			CacheFrom: []schema.Cache{{Type: "registry", Attrs: map[string]string{"ref": "r.example/c"}}},
			CacheTo:   []schema.Cache{{Type: "inline"}, {Type: "s3"}, {Type: "s3", Attrs: map[string]string{"name": "x"}}}}}
	other := &schema.Target{Name: "other", Base: schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", CacheTo: []schema.Cache{{Type: "azblob"}}}}
	cfg := &schema.Config{Dir: "/p", Targets: []*schema.Target{target, other}}
	facts := plan.Facts{Dockerfiles: map[string]plan.DockerfileFact{"/p/Dockerfile": {Text: "FROM scratch\nCOPY a /\n"}}, Local: amd[0],
		Nodes: []plan.NodeFact{{Name: "embedded", Platforms: amd, Caches: []string{"registry", "local", "inline"}}}}
	_, diags := plan.Make(cfg, plan.Request{Targets: []string{"a"}}, facts)
	if len(diags) != 1 || diags[0].Code != "no-such-cache" || *diags[0].Subject != at || !strings.Contains(diags[0].Detail, "type s3; for the builder \"embedded\" a build file can name registry, local, inline") {
		t.Errorf("diagnostics: %+v", diags)
	}
	for _, caches := range [][]string{nil, {"registry", "inline", "s3"}} {
		facts.Nodes[0].Caches = caches
		if _, diags := plan.Make(cfg, plan.Request{Targets: []string{"a"}}, facts); diags.HasErrors() {
			t.Errorf("with %v: %v", caches, diags)
		}
	}
}

// TestSecretNames: an id has another name where it has several sources, or where a target was not given it.
func TestSecretNames(t *testing.T) {
	build := func(name string, s ...schema.Secret) *schema.Target {
		return &schema.Target{Name: name, Base: schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", Strategy: schema.AsWritten, Secrets: s}}
	}
	cfg := &schema.Config{Dir: "/p", Targets: []*schema.Target{
		build("one", schema.Secret{ID: "token", Env: "A"}, schema.Secret{ID: "same", Src: "/p/s"}),
		build("two", schema.Secret{ID: "token", Src: "/p/b"}, schema.Secret{ID: "same", Src: "/p/s"}),
		build("none"),
	}}
	facts := plan.Facts{Local: schema.MustPlatform("linux/amd64"), Dockerfiles: map[string]plan.DockerfileFact{"/p/Dockerfile": {
		Text: "FROM scratch AS run\nCOPY a /\nFROM run\nRUN --mount=type=secret,id=token,target=/t [\"/a\"]\n"}}}
	p, diags := plan.Make(cfg, plan.Request{Targets: []string{"one", "two", "none"}}, facts)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	one, two, none := p.Builds[0], p.Builds[1], p.Builds[2]
	if one.SecretNames["token"] == "" || one.SecretNames["token"] == two.SecretNames["token"] || len(one.SecretNames) != 1 {
		t.Errorf("one has %v, two %v", one.SecretNames, two.SecretNames)
	}
	if none.SecretNames["token"] != "token#undeclared" || none.SecretNames["same"] != "same#undeclared" {
		t.Errorf("none has %v", none.SecretNames)
	}
	if one.Result == two.Result || one.Stages[0] != two.Stages[0] {
		t.Errorf("stages of one %v, of two %v: want the first shared and the one with the secret apart", one.Stages, two.Stages)
	}
	alone, _ := plan.Make(cfg, plan.Request{Targets: []string{"two"}}, facts)
	if alone.Builds[0].SecretNames["token"] != two.SecretNames["token"] {
		t.Error("the name depends on what else is built")
	}
}

// TestGitSecretNames: a token for one host belongs to the target that has it, whatever BuildKit asks for.
func TestGitSecretNames(t *testing.T) {
	build := func(name string, s ...schema.Secret) *schema.Target {
		return &schema.Target{Name: name, Base: schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", Strategy: schema.AsWritten, Secrets: s}}
	}
	cfg := &schema.Config{Dir: "/p", Targets: []*schema.Target{
		build("one", schema.Secret{ID: "GIT_AUTH_TOKEN.a.example", Env: "A"}),
		build("two", schema.Secret{ID: "GIT_AUTH_TOKEN.a.example", Env: "B"}, schema.Secret{ID: "GIT_AUTH_TOKEN", Env: "C"}),
		build("none"),
	}}
	facts := plan.Facts{Dockerfiles: map[string]plan.DockerfileFact{"/p/Dockerfile": {Text: "FROM scratch\nCOPY a /\n"}}, Local: schema.MustPlatform("linux/amd64")}
	p, diags := plan.Make(cfg, plan.Request{Targets: []string{"one", "two", "none"}}, facts)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	one, two, none := p.Builds[0].SecretNames, p.Builds[1].SecretNames, p.Builds[2].SecretNames
	if one["GIT_AUTH_TOKEN"] == two["GIT_AUTH_TOKEN"] || one["GIT_AUTH_TOKEN"]+".a.example" != one["GIT_AUTH_TOKEN.a.example"] ||
		two["GIT_AUTH_TOKEN"]+".a.example" != two["GIT_AUTH_TOKEN.a.example"] || none["GIT_AUTH_TOKEN"] != "GIT_AUTH_TOKEN#undeclared" {
		t.Errorf("names %v, %v and %v", one, two, none)
	}
	cfg.Targets = cfg.Targets[:1]
	p, _ = plan.Make(cfg, plan.Request{Targets: []string{"one"}}, facts)
	if n := p.Builds[0].SecretNames; len(n) != 0 {
		t.Errorf("with one source the names are %v", n)
	}
}
