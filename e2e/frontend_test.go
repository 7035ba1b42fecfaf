package e2e

import (
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
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

// TestSelf: the build file at the root builds xbuild itself for five platforms without emulation, and the result works. Without a
// soak one foreign platform is built: it compiles a thousand packages.
func TestSelf(t *testing.T) {
	w := external(t, "..")
	p := w.plan(t, "binaries")
	if p.Counts["emulated"] != 0 || p.Counts["cross"] != 5 {
		t.Errorf("plan: %v, want 5 cross stages and nothing emulated", p.Counts)
	}
	out := t.TempDir()
	args := []string{"run", "binaries", "--set", "binaries.output=" + out, "--var", "VERSION=1.2.3-e2e", "--progress", "plain"}
	built := maps.Clone(machines)
	if !parts.Soak() {
		args = append(args, "--platform", "linux/arm64")
		built = map[string]string{"linux_arm64": machines["linux_arm64"]}
	}
	r := w.ok(t, args...)
	t.Logf("cold: xbuild for %d platforms, %.0fs", len(built), r.wall.Seconds())
	for slug, want := range built {
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
