package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAllow: a Bake file that reaches outside its folder is refused, and builds with exactly the grants that the refusal
// names, also where the place of the output does not exist yet.
func TestAllow(t *testing.T) {
	root := project(t, map[string]string{
		"proj/docker-bake.hcl": `
target "default" {
  dockerfile-inline = "FROM scratch\nCOPY --from=lib x /x\n"
  contexts          = { lib = "../lib" }
  output            = ["../new/out"]
}
`,
		"lib/x": "x"})
	w := external(t, filepath.Join(root, "proj"))
	r := w.code(t, 2, "run")
	for _, want := range []string{`The target "default" reads ../lib.`, "docker-bake.hcl:4:3", `The target "default" writes ../new/out.`, "docker-bake.hcl:5:3"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the refusal lacks %q:\n%s", want, r.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "new")); err == nil {
		t.Error("something was written")
	}
	flags := regexp.MustCompile(`--allow \S+`).FindAllString(r.stderr, -1)
	if len(flags) != 2 {
		t.Fatalf("flags %q, want 2", flags)
	}
	w.code(t, 2, append([]string{"run"}, strings.Fields(flags[0])...)...)
	w.ok(t, append([]string{"run"}, strings.Fields(strings.Join(flags, " "))...)...)
	if got := read(t, filepath.Join(root, "new", "out", "x")); got != "x" {
		t.Errorf("x is %q", got)
	}
}
