package hcl_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

func TestRemoteContext(t *testing.T) {
	const git, sub = "https://example.com/r.git", "https://example.com/r.git#main:dir"
	for _, tt := range []struct{ source, context, want string }{
		{git, ".", git},
		{git, "./", git},
		{git, "sub", git + "#:sub"},
		{git, "./sub/x/", git + "#:sub/x"},
		{git, "sub/../other", git + "#:other"},
		{git + "#v1", ".", git + "#v1"},
		{git + "#v1", "sub", git + "#v1:sub"},
		{sub, ".", sub},
		{sub, "sub", git + "#main:dir/sub"},
		{git + "#:dir", "sub", git + "#:dir/sub"},
		{sub, "../up", git + "#main:up"},
		{git + "?subdir=dir&ref=v1", "sub", git + "?ref=v1&subdir=dir%2Fsub"},
		{git + "?ref=v1", "sub", git + "?ref=v1#:sub"},
		{"git@example.com:o/r.git", "sub", "git@example.com:o/r.git#:sub"},
		{"ssh://git@example.com/o/r#b", "sub", "ssh://git@example.com/o/r#b:sub"},
		{"github.com/o/r", "sub", "github.com/o/r#:sub"},
		{git, "cwd://sub", "cwd://sub"},
		{git, "https://example.com/a.tar", "https://example.com/a.tar"},
		{git, "git@example.com:o/x.git", "git@example.com:o/x.git"},
		// What is no part of a tree names folders of this machine.
		{"https://example.com/docker-bake.hcl", ".", "."},
		{"https://example.com/docker-bake.hcl", "sub", "sub"},
		{"", "sub", "sub"},
	} {
		got, err := hcl.Source{URL: tt.source}.Context(tt.context)
		if err != nil || got != tt.want {
			t.Errorf("%s from %s = %q, %v; want %q", tt.context, tt.source, got, err, tt.want)
		}
	}
	for context, want := range map[string]string{
		"target:x": "target:x", "docker-image://a": "docker-image://a", "oci-layout://d": "oci-layout://d",
		".": git, "sub": git + "#:sub", "cwd://x": "cwd://x",
	} {
		if got, err := (hcl.Source{URL: git}).NamedContext(context); err != nil || got != want {
			t.Errorf("named context %s = %q, %v; want %q", context, got, err, want)
		}
	}
}

func TestArchiveContext(t *testing.T) {
	s := hcl.Source{URL: "https://example.com/a.tar.gz", Archive: true}
	if got, err := s.Context("."); err != nil || got != s.URL {
		t.Errorf("whole archive = %q, %v", got, err)
	}
	if got, err := s.Context("cwd://x"); err != nil || got != "cwd://x" {
		t.Errorf("folder of this machine = %q, %v", got, err)
	}
	if _, err := s.Context("app"); err == nil || !strings.Contains(err.Error(), `dockerfile = "app/Dockerfile"`) {
		t.Errorf("folder in the archive: %v", err)
	}
}

// TestAddresses are the addresses that people write; exec/buildkit compares all that there can be with BuildKit.
func TestAddresses(t *testing.T) {
	for s, want := range map[string][2]bool{ // git, remote
		"https://example.com/r.git":       {true, true},
		"https://example.com/r.git#a:b":   {true, true},
		"https://example.com/r.git?ref=a": {true, true},
		"https://example.com/r":           {false, true},
		"HTTP://example.com/f.hcl":        {false, false}, // BuildKit looks at the letters
		"deploy@git.example.org:o/r.git":  {true, true},
		"git://example.com/r":             {true, true},
		"git@example.com:o/r":             {true, true},
		"ssh://example.com/r":             {true, true},
		"github.com/o/r":                  {true, true},
		"./github.com/o/r":                {false, false},
		"ftp://example.com/r.git":         {false, false},
		"app":                             {false, false},
		"app@linux/arm64":                 {false, false},
		"r.git":                           {false, false},
		"../r.git":                        {false, false},
		"":                                {false, false},
	} {
		ref := schema.ParseRef(s)
		if got := [2]bool{ref.Kind == schema.GitRef, ref.Remote()}; got != want {
			t.Errorf("%q: git, remote = %v, want %v", s, got, want)
		}
	}
}

// TestSourceInFiles: build files of a repository, of both kinds, have contexts there and outputs here.
func TestSourceInFiles(t *testing.T) {
	src := hcl.Source{URL: "https://example.org/r.git#v1"}
	read := func(name, text string, env hcl.Env) (*schema.Config, diag.List) {
		t.Helper()
		f, ds := hcl.Parse(name, hcl.RemoteRoot+"/"+name, []byte(text))
		if ds.HasErrors() {
			t.Fatal(ds)
		}
		env.Dir, env.Source = "/cwd", src
		return hcl.Load([]*hcl.File{f}, env)
	}
	for _, name := range []string{"xbuild.hcl", "docker-bake.hcl"} {
		cfg, ds := read(name, `
target "default" {
  context    = "app"
  contexts   = { a = "sub/../b", top = ".", url = "https://example.org/x.git", img = "docker-image://x" }
  dockerfile = "D"
  output     = ["bin", "type=cacheonly"]
}
`, hcl.Env{})
		if ds.HasErrors() {
			t.Fatalf("%s: %v", name, ds)
		}
		b := cfg.Targets[0].Base
		want := schema.Build{Context: "https://example.org/r.git#v1:app", Dockerfile: "D", Strategy: b.Strategy,
			Contexts: map[string]string{"a": "https://example.org/r.git#v1:b", "top": "https://example.org/r.git#v1", "url": "https://example.org/x.git", "img": "docker-image://x"},
			Outputs:  []schema.Output{{Type: schema.OutputLocal, Dest: "/cwd/bin"}, {Type: schema.OutputCacheOnly}}}
		if d := cmp.Diff(want, b); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if cfg.Dir != "/cwd" {
			t.Errorf("%s: folder %s", name, cfg.Dir)
		}
	}
	// In --set and behind cwd:// paths are of this machine.
	cfg, ds := read("xbuild.hcl", `target "default" {}`, hcl.Env{Sets: []string{"default.context=app"}})
	if got := cfg.Targets[0].Base; ds.HasErrors() || got.Context != "/cwd/app" {
		t.Errorf("--set: %v, %v", got.Context, ds)
	}
	cfg, ds = read("docker-bake.hcl", `target "default" { context = "cwd://app" }`, hcl.Env{})
	if got := cfg.Targets[0].Base; ds.HasErrors() || got.Context != "/cwd/app" || got.Dockerfile != "/cwd/app/Dockerfile" {
		t.Errorf("cwd://: %v, %v, %v", got.Context, got.Dockerfile, ds)
	}
	// A Dockerfile that could be meant to come from the repository is not taken from this machine.
	there := func(p string) (fs.FileInfo, error) { return os.Stat(os.TempDir()) }
	if _, ds = read("docker-bake.hcl", `target "default" { context = "cwd://app" }`, hcl.Env{Stat: there}); len(ds) != 1 || ds[0].Code != "bad-context" {
		t.Errorf("local Dockerfile: %v", ds)
	}
	src.Archive, src.URL = true, "https://example.org/a.tar"
	for _, name := range []string{"xbuild.hcl", "docker-bake.hcl"} {
		if _, ds = read(name, `target "default" { context = "app" }`, hcl.Env{}); len(ds) != 1 || ds[0].Code != "bad-context" || ds[0].Subject.Start.Line != 1 {
			t.Errorf("%s: folder of an archive: %v", name, ds)
		}
	}
}
