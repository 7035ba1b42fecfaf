package plan_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// TestPasses compares what each pass does, alone, with testdata/pass/NAME*.txtar: its view of the state, and the diagnostics
// that it adds. The sections of a case are those of TestGolden; `request` names the targets asked for.
func TestPasses(t *testing.T) {
	for _, name := range plan.PassNames() {
		files, err := filepath.Glob("testdata/pass/" + name + "*.txtar")
		if err != nil || len(files) == 0 {
			t.Errorf("the pass %s has no case (%v)", name, err)
		}
		if code, _ := filepath.Glob("pass_" + name + ".go"); len(code) != 1 {
			t.Errorf("the pass %s is not in pass_%s.go", name, name)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				ar, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				c := readCase(t, ar)
				req := plan.Request{Targets: targetNames(c.cfg)}
				if i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "request" }); i >= 0 {
					req.Targets = strings.Fields(string(ar.Files[i].Data))
				}
				state, diags := plan.RunPass(name, c.cfg, req, c.facts)
				compare(t, file, ar, map[string]string{"state": state, "diagnostics": diag.Text(diags.Sorted(), plan.Sources(c.cfg, c.facts))})
			})
		}
	}
}
