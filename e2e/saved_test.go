package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSavedAndWritten: a saved plan builds what the plan it was saved from builds, and so does the Dockerfile that --write
// leaves behind, also through the stages that the first target does not reach.
func TestSavedAndWritten(t *testing.T) {
	dir := copyExample(t, "guide")
	w := external(t, dir)
	bin := filepath.Join(dir, "bin")

	w.ok(t, "run", "binaries", "--progress", "plain")
	sums := map[string]string{}
	remove := func() {
		if err := os.RemoveAll(bin); err != nil {
			t.Fatal(err)
		}
	}
	same := func(how string, platforms ...string) {
		t.Helper()
		for _, d := range platforms {
			for _, name := range []string{"client", "server"} {
				path := filepath.Join(bin, d, name)
				if got := machine(t, path); got != machines[d] {
					t.Errorf("%s: %s is %s, want %s", how, path, got, machines[d])
				}
				if sums[path] == "" {
					sums[path] = sum(t, path)
				} else if sums[path] != sum(t, path) {
					t.Errorf("%s: %s is another program", how, path)
				}
			}
		}
	}
	same("run", desktop...)

	remove()
	w.ok(t, "plan", "binaries", "--out", "plan.json")
	w.ok(t, "run", "--plan", "plan.json", "--progress", "plain")
	same("run --plan", desktop...)

	// A base image that moved makes the plan another one, although no file changed.
	text, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.Replace(string(text), `"digest": "sha256:`, `"digest": "sha256:0`, 1)
	if moved == string(text) {
		t.Fatal("the saved plan has no digest")
	}
	write(t, filepath.Join(dir, "moved.json"), moved)
	if r := w.code(t, 3, "run", "--plan", "moved.json"); !strings.Contains(r.stderr, "the image golang:1.26-alpine was sha256:0") {
		t.Errorf("the moved image is not told:\n%s", r.stderr)
	}

	w.code(t, 3, "plan", "binaries", "--write", "--detailed-exitcode")
	w.ok(t, "plan", "binaries", "--write", "--detailed-exitcode")
	w.code(t, 3, "run", "--plan", "plan.json") // the Dockerfile is another one now
	remove()
	w.ok(t, "run", "binaries@linux/arm64", "--progress", "plain", "--strategy", "as-written") // without xbuild's compile cache
	same("run after plan --write", "linux_arm64")
}
