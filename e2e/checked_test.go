package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// hidden is a Go program whose build hides behind make and a script, which also runs a program of its own. The goal copies
// takes a program of the image along, which no wrapper of the go command can know. Nothing imports a package, so that the
// emulated builds have little to compile.
func hidden(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile": `FROM golang:1.26 AS build
ENV CGO_ENABLED=0
WORKDIR /src
COPY . .
ARG GOAL=app
RUN make $GOAL

FROM scratch
COPY --from=build /src/bin /
`,
		".dockerignore":  "xbuild.hcl\nDockerfile\nout*\n",
		"go.mod":         "module example.com/hidden\n\ngo 1.26\n",
		"main.go":        "package main\n\nfunc main() { print(words) }\n",
		"words/words.go": "package main\n\nfunc main() { print(\"package main\\n\\nconst words = `made by a program that ran during the build\\n`\\n\") }\n",
		"compile.sh":     "set -e\nmkdir -p bin\ngo build -trimpath -o bin/app .\n",
		"Makefile":       "app: made.go\n\tsh compile.sh\n\nmade.go:\n\tgo run ./words 2>$@\n\ncopies: app\n\tcp /bin/busybox bin/tool\n\n.PHONY: app copies\n",
		"xbuild.hcl": `target "app" {
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out"]
}

target "emulated" {
  inherits = ["app"]
  strategy = "emulate"
  output   = ["out-emulated"]
}

target "copies" {
  inherits = ["app"]
  args     = { GOAL = "copies" }
  output   = ["out-copies"]
}
`} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// TestChecked: what make compiles is crossed on the evidence of its result, to the same bits as by emulation; where a
// result is for the wrong machine the platform is built by emulation after all, and the report says so.
func TestChecked(t *testing.T) {
	dir := hidden(t)
	w := fresh(t, dir)
	p := w.plan(t, "app")
	if p.Counts["cross"] != 2 || p.Counts["emulated"] != 0 {
		t.Fatalf("plan of app: %v, want the stage build crossed for two platforms", p.Counts)
	}
	for _, s := range p.Stages {
		if s.Stage == "build" && s.Evidence != "checked" {
			t.Errorf("stage build is %s by the evidence %q", s.Kind, s.Evidence)
		}
	}
	w.ok(t, "run", "app", "--progress", "plain")
	// Emulated compiles take long, and the one of copies gives the same program.
	emulated := "out-copies"
	if parts.Soak() {
		emulated = "out-emulated"
		w.ok(t, "run", "emulated", "--progress", "plain")
	}
	r := w.ok(t, "run", "copies", "--progress", "plain")
	if !strings.Contains(r.stderr, "by emulation, since src/bin/tool") {
		t.Errorf("the report does not say that linux/arm64 was built by emulation:\n%s", r.stderr)
	}
	for _, d := range []string{"linux_amd64", "linux_arm64"} {
		app := filepath.Join(dir, "out", d, "app")
		says(t, app, "made by a program that ran during the build", strings.TrimPrefix(d, "linux_"))
		if sum(t, app) != sum(t, filepath.Join(dir, emulated, d, "app")) {
			t.Errorf("%s/app differs between auto and %s", d, emulated)
		}
		for _, name := range []string{"app", "tool"} {
			if got := machine(t, filepath.Join(dir, "out-copies", d, name)); got != machines[d] {
				t.Errorf("%s/%s is %s, want %s", d, name, got, machines[d])
			}
		}
	}
}
