// Package smoke builds one small project with the BuildKit inside xbuild, as ./test quick does. It needs root, runc and a static
// busybox, and neither an image, a registry nor an emulator; package e2e has the rest.
package smoke

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

const dockerfile = `FROM --platform=$BUILDPLATFORM scratch AS step
COPY busybox /bin/sh
COPY name /
RUN read name </name; echo "hello, $name" >/made
FROM scratch
ARG TARGETARCH
COPY --from=step /made /$TARGETARCH
`

const buildFile = `target "default" {
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out"]
}
`

// TestSmoke: the first run starts a BuildKit, runs a step in a container and writes its result for two platforms; the second one
// takes everything from its cache; nothing is left once the daemon is stopped.
func TestSmoke(t *testing.T) {
	busybox := needed(t)
	// The path goes into the names of unix sockets, which must be short.
	root, err := os.MkdirTemp("", "xb-smoke-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	program := filepath.Join(root, "xbuild")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "grpcnotrace", "-o", program, "./cmd/xbuild")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	dir := filepath.Join(root, "project")
	for name, text := range map[string]string{"Dockerfile": dockerfile, "xbuild.hcl": buildFile, "name": "somebody\n", "busybox": busybox} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(root, "state")
	xbuild := func(ctx context.Context, args ...string) string {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir, cmd.Stderr = dir, &stderr
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + root, "DOCKER_CONFIG=" + root, "XBUILD_STATE_DIR=" + state}
		if err := cmd.Run(); err != nil {
			t.Fatalf("xbuild %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
		}
		return stderr.String()
	}
	t.Cleanup(func() {
		xbuild(context.WithoutCancel(t.Context()), "daemon", "stop")
		if !parts.Within(20*time.Second, func() bool { return len(parts.Running(state))+len(parts.Mounts(state)) == 0 }) {
			t.Errorf("left: processes %v, mounts %v", parts.Running(state), parts.Mounts(state))
		}
	})
	xbuild(t.Context(), "run", "--progress", "plain")
	for _, arch := range []string{"amd64", "arm64"} {
		got, err := os.ReadFile(filepath.Join(dir, "out", "linux_"+arch, arch))
		if err != nil || string(got) != "hello, somebody\n" {
			t.Errorf("%s: %q, %v", arch, got, err)
		}
	}
	if said := xbuild(t.Context(), "run", "--force", "--progress", "plain"); !strings.Contains(said, "4 stages: 4 cached") {
		t.Errorf("the second run had something to do:\n%s", said)
	}
}

// needed returns the content of busybox, or skips the test where this machine lacks a part.
func needed(t *testing.T) string {
	t.Helper()
	lacks := t.Skip
	if os.Getenv("XBUILD_TEST_REQUIRE_ALL") == "1" {
		lacks = t.Fatal
	}
	if os.Geteuid() != 0 {
		lacks("run it as root")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		lacks("runc is not installed: apt-get install -y runc")
	}
	path, err := exec.LookPath("busybox")
	if err != nil {
		lacks("busybox is not installed: apt-get install -y busybox-static")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
