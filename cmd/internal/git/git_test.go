package git_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/cmd/internal/git"
	"github.com/xbuild/xbuild/hcl"
)

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=n", "-c", "user.email=e@example.org"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_COMMITTER_DATE=2026-01-02T03:04:05+02:00")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "one")
	return dir
}

// check compares all that git tells with what is wanted; the commit is always that of git itself.
func check(t *testing.T, dir, branch, tag string, dirty bool) {
	t.Helper()
	g := git.At(dir)
	for name, c := range map[string]struct {
		get  func() (string, error)
		want string
	}{"commit": {g.Commit, run(t, dir, "rev-parse", "HEAD")}, "branch": {g.Branch, branch}, "tag": {g.Tag, tag}, "time": {g.Time, "2026-01-02T01:04:05Z"}} {
		got, err := c.get()
		if err != nil || got != c.want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, c.want)
		}
	}
	if got, err := g.Dirty(); err != nil || got != dirty {
		t.Errorf("dirty is %v (%v), want %v", got, err, dirty)
	}
}

func TestRepository(t *testing.T) {
	dir := repository(t)
	check(t, dir, "main", "", false)
	sub := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	check(t, sub, "main", "", false)

	run(t, dir, "tag", "v1.9.0")
	run(t, dir, "tag", "v1.10.0")
	run(t, dir, "pack-refs", "--all")
	check(t, dir, "main", "v1.10.0", false)

	run(t, dir, "checkout", "-q", "-b", "feature/x")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	check(t, dir, "feature/x", "v1.10.0", true)
	run(t, dir, "checkout", "-q", "-f", "--detach")
	check(t, dir, "", "v1.10.0", false)

	tree := filepath.Join(t.TempDir(), "tree")
	run(t, dir, "worktree", "add", "-q", "-b", "other", tree)
	check(t, tree, "other", "v1.10.0", false)
}

func TestWithoutRepository(t *testing.T) {
	if _, err := os.Stat("/.git"); err == nil {
		t.Fatal("the root of this machine is a repository")
	}
	g := git.At(t.TempDir())
	empty := t.TempDir()
	run(t, empty, "init", "-q", "-b", "main")
	for name, g := range map[string]*hcl.Git{"no repository": g, "no commit": git.At(empty)} {
		for field, get := range map[string]func() (string, error){"commit": g.Commit, "time": g.Time} {
			if s, err := get(); err == nil {
				t.Errorf("%s: %s is %q, want an error", name, field, s)
			}
		}
	}
	if s, err := git.At(empty).Branch(); err != nil || s != "main" {
		t.Errorf("the branch before the first commit is %q (%v)", s, err)
	}
}
