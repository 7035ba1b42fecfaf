package hcl_test

import (
	"strings"
	"testing"

	"github.com/xbuild/xbuild/hcl"
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

func TestIsRemoteURL(t *testing.T) {
	for s, want := range map[string][2]bool{ // git, remote
		"https://example.com/r.git":       {true, true},
		"https://example.com/r.git#a:b":   {true, true},
		"https://example.com/r.git?ref=a": {true, true},
		"https://example.com/r":           {false, true},
		"HTTP://example.com/f.hcl":        {false, true},
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
		if got := [2]bool{hcl.IsGitURL(s), hcl.IsRemoteURL(s)}; got != want {
			t.Errorf("%q: git, remote = %v, want %v", s, got, want)
		}
	}
}
