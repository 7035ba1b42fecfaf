package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const unchangedFile = `
variable "TAG" { default = "" }
variable "BASE" { default = "scratch" }

target "files" {
  context = "src"
  args    = { BASE = BASE }
  output  = ["out"]
}
target "image" {
  context = "src"
  args    = { BASE = BASE }
  tags    = [TAG]
  output  = ["type=registry"]
}
`

const unchangedDockerfile = `ARG BASE=scratch
FROM $BASE
COPY a.txt b.txt /
`

// rest lets files become old enough for a build that reads them to be remembered.
func rest() { time.Sleep(2100 * time.Millisecond) }

// TestUnchanged: what nobody touched is not built again, and needs no BuildKit; everything else is.
func TestUnchanged(t *testing.T) {
	b := bed(t)
	dir := project(t, map[string]string{"xbuild.hcl": unchangedFile, "src/Dockerfile": unchangedDockerfile, "src/a.txt": "a", "src/b.txt": "b"})
	daemon := freshDaemon(t, "")
	w := newWorld(t, dir, "BUILDKIT_HOST="+daemon.Address)
	args := []string{"run", "files", "image", "--var", "TAG=" + b.Registry + "/unchanged:1"}
	unchanged := func(want bool) {
		t.Helper()
		r := w.ok(t, args...)
		if got := strings.Contains(r.stderr, "nothing changed"); got != want {
			t.Errorf("unchanged: %v, want %v\n%s", got, want, r.stderr)
		}
		if !strings.Contains(r.stdout, "files: 2 files in out") || !strings.Contains(r.stdout, b.Registry+"/unchanged:1@sha256:") {
			t.Errorf("the report is not complete:\n%s", r.stdout)
		}
	}
	rest()
	unchanged(false)
	unchanged(true)

	edits := map[string]func() error{
		"an output is edited": func() error { return os.WriteFile(filepath.Join(dir, "out", "a.txt"), []byte("x"), 0o644) },
		"an output is gone":   func() error { return os.RemoveAll(filepath.Join(dir, "out")) },
		"an input is edited":  func() error { return os.WriteFile(filepath.Join(dir, "src", "a.txt"), []byte("other"), 0o644) },
		// BuildKit itself compares sizes and times only; here it counts that it is asked.
		"an input is edited, with the same size and time": func() error {
			f := filepath.Join(dir, "src", "b.txt")
			st, err := os.Stat(f)
			if err == nil {
				err = os.WriteFile(f, []byte("B"), 0o644)
			}
			if err == nil {
				err = os.Chtimes(f, st.ModTime(), st.ModTime())
			}
			return err
		},
	}
	for what, edit := range edits {
		if err := edit(); err != nil {
			t.Fatal(err)
		}
		rest()
		t.Log(what)
		unchanged(false)
		unchanged(true)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "out", "a.txt")); err != nil || string(text) != "other" {
		t.Errorf("out/a.txt is %q, %v", text, err)
	}

	t.Log("--force")
	if r := w.ok(t, append(args, "--force")...); strings.Contains(r.stderr, "nothing changed") {
		t.Errorf("--force does not build:\n%s", r.stderr)
	}
	daemon.Stop()
	t.Log("without a daemon")
	unchanged(true)
	if err := os.Chmod(filepath.Join(dir, "src", "a.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.code(t, 4, args...)
}

// TestMovedBase: a base by tag is asked for on every run, and another image under the tag is a change.
func TestMovedBase(t *testing.T) {
	b := bed(t)
	dir := project(t, map[string]string{"xbuild.hcl": unchangedFile, "src/Dockerfile": unchangedDockerfile, "src/a.txt": "a", "src/b.txt": "b",
		"base/xbuild.hcl": "variable \"TAG\" { default = \"\" }\ntarget \"default\" {\n  tags = [TAG]\n  output = [\"type=registry\"]\n}\n",
		"base/Dockerfile": "FROM scratch\nCOPY base /\n", "base/base": "1"})
	w := external(t, dir)
	base := b.Registry + "/unchanged-base:1"
	push := func() { w.ok(t, "run", "-C", "base", "--force", "--var", "TAG="+base) }
	args := []string{"run", "files", "--var", "BASE=" + base}
	push()
	rest()
	w.ok(t, args...)
	if r := w.ok(t, args...); !strings.Contains(r.stderr, "nothing changed") {
		t.Errorf("something is said to have changed:\n%s", r.stderr)
	}
	write(t, filepath.Join(dir, "base", "base"), "2")
	push()
	if r := w.ok(t, args...); strings.Contains(r.stderr, "nothing changed") {
		t.Errorf("the base is another one, and nothing is said to have changed:\n%s", r.stderr)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "out", "base")); err != nil || string(text) != "2" {
		t.Errorf("out/base is %q, %v", text, err)
	}
}
