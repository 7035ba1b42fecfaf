package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

// world is one environment in which xbuild is started.
type world struct {
	dir string // working directory
	env []string
	// program and user are set where they are not the suite's own.
	program string
	user    *syscall.Credential
}

// newWorld is an environment with nothing of the user's in it, in dir.
func newWorld(t *testing.T, dir string, env ...string) *world {
	t.Helper()
	home := t.TempDir()
	return &world{dir: dir, env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DOCKER_CONFIG=" + home, "LANG=C.UTF-8",
		"XBUILD_STATE_DIR=" + filepath.Join(home, "state")}, env...)}
}

// external is a world whose BuildKit is the buildkitd that most tests share.
func external(t *testing.T, dir string) *world {
	t.Helper()
	b := bed(t)
	suite.begin.Lock()
	defer suite.begin.Unlock()
	if suite.daemon == nil {
		d := filepath.Join(b.Dir, "shared")
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if suite.daemon, err = b.StartDaemon(context.Background(), d, ""); err != nil { // outlives this test
			t.Fatal(err)
		}
	}
	return newWorld(t, dir, "BUILDKIT_HOST="+suite.daemon.Address)
}

// fresh is a world whose BuildKit has never built anything.
func fresh(t *testing.T, dir string) *world {
	t.Helper()
	return newWorld(t, dir, "BUILDKIT_HOST="+freshDaemon(t, "").Address)
}

func freshDaemon(t *testing.T, config string) *parts.Daemon {
	t.Helper()
	b := bed(t)
	d, err := b.StartDaemon(t.Context(), shortDir(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	return d
}

// embedded is a world with the BuildKit inside xbuild, its state in a folder of its own.
func embedded(t *testing.T, dir string) *world {
	t.Helper()
	b := aloneBed(t)
	state := shortDir(t)
	config := filepath.Join(state, "config.toml")
	write(t, config, b.RegistryConfig())
	w := newWorld(t, dir, "XBUILD_STATE_DIR="+filepath.Join(state, "s"), "XBUILD_CONFIG="+config)
	t.Cleanup(func() {
		if r := w.xbuild(context.WithoutCancel(t.Context()), "daemon", "stop"); r.code != 0 {
			t.Errorf("xbuild daemon stop: exit code %d\n%s", r.code, r.stderr)
		}
		left(t, state)
	})
	return w
}

// aloneBed is the bed on a machine where xbuild would start its own BuildKit.
func aloneBed(t *testing.T) *parts.Bed {
	t.Helper()
	b := bed(t)
	if _, err := os.Stat("/run/buildkit/buildkitd.sock"); err == nil {
		t.Fatal("a system-wide buildkitd listens on /run/buildkit/buildkitd.sock, so xbuild would not start its own; stop it for the tests")
	}
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Fatal("a Docker Engine listens on /var/run/docker.sock, so xbuild would not start its own BuildKit; stop it for the tests")
	}
	return b
}

// shortDir is a temporary folder whose path is short enough for unix sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "xb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// result is what a finished xbuild left.
type result struct {
	code           int
	stdout, stderr string
	wall           time.Duration
}

// value is that of an environment variable, as xbuild gets it.
func (w *world) value(name string) string {
	for i := len(w.env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(w.env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// command is xbuild with these arguments, not started yet.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cmp.Or(w.program, suite.xbuild), args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: w.user}
	return cmd
}

// xbuild runs to the end. A code of -1 means that it could not be started or was killed.
func (w *world) xbuild(ctx context.Context, args ...string) result {
	var out, errs bytes.Buffer
	cmd := w.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	r := result{stdout: out.String(), stderr: errs.String(), wall: time.Since(began)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		r.code, r.stderr = -1, r.stderr+err.Error()
	}
	return r
}

// ok runs xbuild and ends the test unless it succeeds.
func (w *world) ok(t *testing.T, args ...string) result {
	t.Helper()
	return w.code(t, 0, args...)
}

// code runs xbuild and ends the test unless it gives this exit code.
func (w *world) code(t *testing.T, want int, args ...string) result {
	t.Helper()
	r := w.xbuild(t.Context(), args...)
	if r.code != want {
		t.Fatalf("xbuild %s: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), r.code, want, r.stdout, tail(r.stderr, 60))
	}
	return r
}

// planJSON is the part of the plan's public form that the tests look at.
type planJSON struct {
	Version     int
	Dockerfiles []struct{ Rewritten *string }
	Stages      []struct {
		Stage, Kind, Code, Evidence string
		For                         []struct{ Target, Platform string }
		Tried                       []struct{ Strategy, Code string }
	}
	Counts      map[string]int
	Diagnostics []struct{ Code string }
}

func (w *world) plan(t *testing.T, args ...string) planJSON {
	t.Helper()
	r := w.ok(t, append([]string{"plan", "--format", "json"}, args...)...)
	var p planJSON
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil {
		t.Fatalf("xbuild plan --format json: %v\n%s", err, r.stdout)
	}
	return p
}

// copyExample copies a folder of examples to a temporary one, without what a user may have built there.
func copyExample(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "examples", name))); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "bin-cross", "bin-emulated"} {
		if err := os.RemoveAll(filepath.Join(dir, d)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// project writes files, given as name and text, to a temporary folder.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// snapshot maps every file below dir, hidden ones too, to its size, times and hash: an unchanged folder gives the same.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		out[rel] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			out[rel] += " " + sum(t, p)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}

// sum is the SHA-256 of a file.
func sum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// tail is the last lines of a text.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// diffSnapshots names the files in which two snapshots differ.
func diffSnapshots(before, after map[string]string) string {
	var out []string
	for k, v := range before {
		if after[k] != v {
			out = append(out, k)
		}
	}
	for k := range after {
		if _, ok := before[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// diffNames is diffSnapshots for the names of files only.
func diffNames(before, after map[string]string) string {
	names := func(m map[string]string) map[string]string {
		out := map[string]string{}
		for k := range m {
			out[k] = "there"
		}
		return out
	}
	return diffSnapshots(names(before), names(after))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
