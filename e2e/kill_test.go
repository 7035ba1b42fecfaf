package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

// pausing is a project whose build waits in the middle, if it is told to, in a step that can be recognised among the
// processes of the machine. A first run has written out/linux_amd64/text and out/linux_arm64/text.
type pausing struct {
	w      *world
	out    string
	marker string // argument of the waiting process
	good   map[string]string
}

func newPausing(t *testing.T, world func(*testing.T, string) *world) *pausing {
	t.Helper()
	dir := project(t, map[string]string{
		"Dockerfile": `FROM --platform=$BUILDPLATFORM alpine:3.22 AS wait
ARG PAUSE TEXT
RUN if [ -n "$PAUSE" ]; then sleep $PAUSE; fi; echo "$TEXT" > /text
FROM wait AS each
ARG TARGETARCH
RUN echo $TARGETARCH >> /text
FROM scratch
COPY --from=each /text /
`,
		"xbuild.hcl": `variable "PAUSE" { default = "" }
variable "TEXT" { default = "first" }
target "default" {
  args      = { PAUSE = PAUSE, TEXT = TEXT }
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out"]
}
`})
	p := &pausing{w: world(t, dir), marker: fmt.Sprintf("30%d", time.Now().UnixNano()%1e9)}
	p.out = filepath.Join(p.w.dir, "out")
	p.w.ok(t, "run")
	p.good = snapshot(t, p.w.dir)
	return p
}

// start begins a run that waits, and returns when it does.
func (p *pausing) start(t *testing.T) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var errs bytes.Buffer
	cmd := p.w.command(t.Context(), "run", "--progress", "plain", "--var", "TEXT=second", "--var", "PAUSE="+p.marker)
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !parts.Within(30*time.Second, func() bool { return len(p.steps()) > 0 }) {
		cmd.Process.Kill()
		cmd.Wait() // it failed already
		t.Fatalf("the step that waits did not start\n%s", errs.String())
	}
	return cmd, &errs
}

// steps are the processes of the step that waits, inside its container.
func (p *pausing) steps() []string {
	var out []string
	for _, s := range parts.Running("sleep\x00" + p.marker) {
		out = append(out, s)
	}
	return out
}

// intact checks what every way to end must leave: no process of the step, every file as the first run left it, and
// nothing beside them unless xbuild was killed; then that a run to the end still works and cleans up.
func (p *pausing) intact(t *testing.T, killed bool) {
	t.Helper()
	if !parts.Within(10*time.Second, func() bool { return len(p.steps()) == 0 }) {
		t.Errorf("the step still runs: %q", p.steps())
	}
	now := snapshot(t, filepath.Dir(p.out))
	maps.DeleteFunc(now, func(name, _ string) bool { // what a killed xbuild received so far; the next run removes it
		return killed && strings.HasPrefix(name, ".xbuild-stage-")
	})
	if d := diffSnapshots(p.good, now); d != "" {
		t.Errorf("the last good output has changed: %s", d)
	}
	p.w.ok(t, "run", "--var", "TEXT=third")
	for _, arch := range []string{"amd64", "arm64"} {
		if got := read(t, filepath.Join(p.out, "linux_"+arch, "text")); got != "third\n"+arch+"\n" {
			t.Errorf("the next run wrote %q for %s", got, arch)
		}
	}
	if d := diffNames(p.good, snapshot(t, filepath.Dir(p.out))); d != "" {
		t.Errorf("files came or went: %s", d)
	}
}

func TestInterrupt(t *testing.T) {
	p := newPausing(t, external)
	cmd, errs := p.start(t)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // the exit code says it all
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d after an interrupt, want 130\n%s", code, errs.String())
	}
	p.intact(t, false)
}

func TestKillClient(t *testing.T) {
	for name, world := range map[string]func(*testing.T, string) *world{"buildkitd": external, "embedded": embedded} {
		t.Run(name, func(t *testing.T) {
			p := newPausing(t, world)
			cmd, _ := p.start(t)
			cmd.Process.Kill()
			cmd.Wait() // killed
			p.intact(t, true)
		})
	}
}

// TestKillDaemon kills the BuildKit inside xbuild in the middle of a step: its namespaces take the step and the mounts along.
func TestKillDaemon(t *testing.T) {
	p := newPausing(t, embedded)
	state := p.w.value("XBUILD_STATE_DIR")
	cmd, errs := p.start(t)
	status := p.w.ok(t, "daemon", "status").stdout
	pid, err := strconv.Atoi(field(status, "pid:"))
	if err != nil {
		t.Fatalf("daemon status names no process:\n%s", status)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }() // the exit code says it all
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		cmd.Process.Kill()
		t.Fatal("xbuild still runs 30 seconds after its daemon was killed")
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d after the daemon was killed, want 1\n%s", code, errs.String())
	}
	left(t, state)
	p.intact(t, true)
}

// field is the text after a name at the beginning of a line.
func field(text, name string) string {
	for _, l := range strings.Split(text, "\n") {
		if v, ok := strings.CutPrefix(l, name); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
