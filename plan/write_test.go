package plan_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// TestEdits compares the changes that `plan --write` makes with testdata/write, and makes each a second time: there must be
// nothing left to do. The `request` of a case, if there, names the targets asked for.
func TestEdits(t *testing.T) {
	files, err := filepath.Glob("testdata/write/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("found %d cases (%v), want at least 8", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := readCase(t, ar)
			req := plan.Request{Targets: targetNames(c.cfg)[:1]}
			edits, diags := plan.Edits(c.cfg, req, c.facts)
			got := map[string]string{"edit": "", "diagnostics": diag.Text(diags, plan.Sources(c.cfg, c.facts))}
			for _, e := range edits {
				got["edit"] += udiff.Unified("a/"+e.Path, "b/"+e.Path, e.Text, e.New)
				got["edit"] += fmt.Sprintf("%s: pinned %v\n", e.Path, e.Pinned)
				for _, k := range e.Kept {
					got["edit"] += fmt.Sprintf("%s: kept %s: %s\n", k.At, k.Code, k.Reason)
				}
			}
			compare(t, file, ar, got)
			again(t, c, req, edits)
		})
	}
}

// TestEditsOnce: after the edit of any golden case there is nothing to edit.
func TestEditsOnce(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	changed := 0
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := readCase(t, ar)
		req := plan.Request{Targets: targetNames(c.cfg)}
		edits, _ := plan.Edits(c.cfg, req, c.facts)
		changed += again(t, c, req, edits)
	}
	if changed < 3 {
		t.Errorf("only %d files were edited", changed)
	}
}

func again(t *testing.T, c goldenCase, req plan.Request, edits []plan.Edit) (changed int) {
	t.Helper()
	for _, e := range edits {
		if e.New != e.Text {
			changed++
		}
		c.facts.Dockerfiles[e.File] = plan.DockerfileFact{Text: e.New}
	}
	second, diags := plan.Edits(c.cfg, req, c.facts)
	if len(edits) > 0 && diags.HasErrors() {
		t.Errorf("the edited file is refused: %v", diags)
	}
	for _, e := range second {
		if e.New != e.Text {
			t.Errorf("a second edit changes %s:\n%s", e.Path, udiff.Unified("first", "second", e.Text, e.New))
		}
	}
	// What is written is what a plan would have used: nothing is left to rewrite. What is vouched for stays out of the file.
	if p, _ := plan.Make(c.cfg, req, c.facts); p != nil && len(c.cfg.Strategies) == 0 {
		for _, d := range p.Dockerfiles {
			if d.Rewritten != nil && changed > 0 {
				t.Errorf("a plan still rewrites %s:\n%s", d.Path, udiff.Unified("file", "plan", d.Text, *d.Rewritten))
			}
		}
	}
	return changed
}
