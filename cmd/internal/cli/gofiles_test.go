package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/xbuild/xbuild/plan"
)

// TestUsesC: the first import of "C" that a build on Linux may compile, in the order of paths.
func TestUsesC(t *testing.T) {
	const c = "package x\n\n// #include <stdio.h>\nimport \"C\"\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"plain", map[string]string{"main.go": "package main\n", "db/sqlite.go": c}, "db/sqlite.go:4"},
		{"first", map[string]string{"b.go": c, "a/x.go": c}, "a/x.go:4"},
		{"among others", map[string]string{"x.go": "package x\n\nimport (\n\t\"fmt\"\n\n\t\"C\"\n)\n"}, "x.go:6"},
		{"a text", map[string]string{"x.go": "package x\n\nconst s = `import \"C\"`\n"}, ""},
		{"tests", map[string]string{"x_test.go": c, "testdata/x.go": c, "_old/x.go": c, ".x/x.go": c}, ""},
		{"other systems", map[string]string{"x_windows.go": c, "x_darwin_arm64.go": c, "w.go": "//go:build windows || darwin\n\n" + c}, ""},
		{"this system", map[string]string{"x_linux_arm64.go": c}, "x_linux_arm64.go:4"},
		{"with cgo", map[string]string{"x.go": "//go:build cgo && !windows\n\n" + c}, "x.go:6"},
		{"without cgo", map[string]string{"x.go": "//go:build !cgo\n\n" + c}, ""},
		{"a tool", map[string]string{"x.go": "//go:build ignore\n\n" + c}, ""},
		{"a tag", map[string]string{"x.go": "//go:build sqlite || windows\n\n" + c}, "x.go:6"},
		{"ignored", map[string]string{"a/x.go": c, "b/x.go": c, ".dockerignore": "a\n"}, "b/x.go:4"},
		{"ignored but one", map[string]string{"a/x.go": c, "a/y.go": c, ".dockerignore": "a\n!a/y.go\n"}, "a/y.go:4"},
		{"the Dockerfile's own", map[string]string{"a/x.go": c, ".dockerignore": "a\n", "Dockerfile.dockerignore": "b\n"}, "a/x.go:4"},
		{"broken", map[string]string{"x.go": "import \"C\" package"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tc.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			key := plan.GoContext{Dir: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}
			if got := goFacts([]plan.GoContext{key})[key].UsesC; got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
