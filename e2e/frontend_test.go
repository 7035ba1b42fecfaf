package e2e

import (
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

// TestSelf: the build file at the root plans xbuild itself for five platforms without emulation, and builds it.
func TestSelf(t *testing.T) {
	w := external(t, "..")
	p := w.plan(t, "binaries")
	if p.Counts["emulated"] != 0 || p.Counts["cross"] != 5 {
		t.Errorf("plan: %v, want 5 cross stages and nothing emulated", p.Counts)
	}
}
