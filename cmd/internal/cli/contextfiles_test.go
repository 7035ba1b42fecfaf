package cli

import (
	"os"
	"path/filepath"
	"strings"
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
			writeFiles(t, dir, tc.files)
			key := plan.Context{Dir: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}
			if got := filesFacts([]plan.FilesWant{{Context: key, Cgo: true}}, "")[key].UsesC; got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestProbes: what scripts, make files and programs that are run ask of the machine is found, and a program that is run but
// not there is no reason to be sure.
func TestProbes(t *testing.T) {
	const asks = "package main\n\nimport \"runtime\"\n\nfunc main() { println(runtime.GOARCH) }\n"
	const silent = "package main\n\nfunc main() {}\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		runs  string
		want  string // place and what, "unknown", or "" if nothing asks
	}{
		{"nothing", map[string]string{"Makefile": "build:\n\tGOARCH=$(ARCH) go build -o bin/app .\n", "main.go": asks}, "", ""},
		{"make", map[string]string{"Makefile": "ARCH := $(shell uname -m)\n"}, "", "Makefile:1 uname -m"},
		{"a comment", map[string]string{"Makefile": "# uname -m\nall:\n\tuname -s\n"}, "", ""},
		{"a part of make", map[string]string{"Makefile": "", "hack/tools.mk": "\nA = `arch`\n"}, "", "hack/tools.mk:2 arch"},
		{"a script", map[string]string{"scripts/x.sh": "set -e\ncase $(dpkg --print-architecture) in\n"}, "", "scripts/x.sh:2 dpkg --print-architecture"},
		{"a script without ending", map[string]string{"build": "#!/bin/sh\ngo env GOOS GOARCH\n"}, "", "build:2 env GOOS GOARCH"},
		{"a target that is set", map[string]string{"build.sh": "env GOARCH=arm64 go build\n"}, "", ""},
		{"the version", map[string]string{"build.sh": "V=\"$(go version)\"\n"}, "", "build.sh:1 go version"},
		{"a text", map[string]string{"README.md": "run uname -m\n", "notes": "uname -m\n"}, "", ""},
		{"a generator", map[string]string{"main.go": "//go:generate sh -c \"uname -m > text.txt\"\n\n" + silent}, "", "main.go:1 uname -m"},
		{"a program", map[string]string{"gen/main.go": asks, "main.go": silent}, "./gen", "gen/main.go:5 runtime.GOARCH"},
		{"a file", map[string]string{"src/build.go": asks}, "build.go", "src/build.go:5 runtime.GOARCH"},
		{"by its full name", map[string]string{"gen/main.go": asks}, "example.org/app/gen", "gen/main.go:5 runtime.GOARCH"},
		{"another module", map[string]string{"main.go": silent}, "example.org/tool@v1", ""},
		{"a program of a script", map[string]string{"Makefile": "gen:\n\t$(GO) run -mod=mod ./tools/gen x\n", "tools/gen/main.go": asks}, "", "tools/gen/main.go:5 runtime.GOARCH"},
		{"a program of a generator", map[string]string{"main.go": "//go:generate go run gen.go\n" + silent, "gen.go": asks}, "", "gen.go:5 runtime.GOARCH"},
		{"a harmless program", map[string]string{"gen/main.go": silent, "main.go": asks}, "./gen", ""},
		{"a program that is not there", map[string]string{"main.go": silent}, "./gen", "unknown"},
		{"ignored", map[string]string{"build.sh": "uname -m\n", ".dockerignore": "*.sh\n"}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFiles(t, dir, tc.files)
			key := plan.Context{Dir: dir}
			fact := filesFacts([]plan.FilesWant{{Context: key, Scripts: true, Runs: strings.Fields(tc.runs)}}, "")[key]
			got := strings.TrimSpace(fact.Probe + " " + fact.ProbeWhat)
			if !fact.Scripts {
				got = "unknown"
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// TestStateIsNoContext: what lies in xbuild's own directory says nothing of a context.
func TestStateIsNoContext(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"state/store/build.sh": "uname -m\n", "state2/ok.sh": "true\n"})
	key := plan.Context{Dir: dir}
	look := func(state string) string {
		return filesFacts([]plan.FilesWant{{Context: key, Scripts: true}}, state)[key].Probe
	}
	if got := look(filepath.Join(dir, "state")); got != "" {
		t.Errorf("%q of the state directory was looked at", got)
	}
	if got := look(filepath.Join(dir, "state2")); got != "state/store/build.sh:1" {
		t.Errorf("%q, want state/store/build.sh:1", got)
	}
}
