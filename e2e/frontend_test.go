package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestServerFrontend: a Dockerfile that asks for another frontend than xbuild has is converted by the daemon, and the
// report says so and why.
func TestServerFrontend(t *testing.T) {
	dir := project(t, map[string]string{
		"Dockerfile": `# syntax=docker/dockerfile:1-labs
FROM alpine:3.22 AS build
ARG TARGETARCH
RUN echo $TARGETARCH > /arch
FROM scratch
COPY --from=build /arch /
`,
		"xbuild.hcl": fine})
	w := external(t, dir)
	r := w.ok(t, "run")
	if !strings.Contains(r.stderr, "by the daemon's frontend, since ") {
		t.Errorf("the report does not say that the daemon converted the Dockerfile:\n%s", r.stderr)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if got := read(t, filepath.Join(dir, "out", "linux_"+arch, "arch")); got != arch+"\n" {
			t.Errorf("%s: %q", arch, got)
		}
	}
}

// TestSelf: the build file at the root builds xbuild itself for five platforms without emulation, and the result works.
func TestSelf(t *testing.T) {
	w := external(t, "..")
	p := w.plan(t, "binaries")
	if p.Counts["emulated"] != 0 || p.Counts["cross"] != 5 {
		t.Errorf("plan: %v, want 5 cross stages and nothing emulated", p.Counts)
	}
	out := t.TempDir()
	r := w.ok(t, "run", "binaries", "--set", "binaries.output="+out, "--var", "VERSION=1.2.3-e2e", "--progress", "plain")
	t.Logf("cold: xbuild for 5 platforms, %.0fs", r.wall.Seconds())
	for slug, want := range machines {
		name := "xbuild"
		if slug == "windows_amd64" {
			name += ".exe"
		}
		path := filepath.Join(out, slug, name)
		if got := machine(t, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
		if !strings.HasPrefix(slug, "linux") {
			continue
		}
		if got, err := exec.CommandContext(t.Context(), path, "version").Output(); err != nil || string(got) != "xbuild 1.2.3-e2e\n" {
			t.Errorf("%s version prints %q, %v", slug, got, err)
		}
	}
}
