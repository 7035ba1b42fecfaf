package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// TestCorpus plans Dockerfiles in the shapes that are found in the wild, for amd64, arm64 and arm/v7 on an amd64 node unless a
// case says otherwise. The golden plan is one line for the instances of a stage that have the same kind, then what is suggested.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.txtar")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, want at least 60 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			with := &txtar.Archive{Files: slices.Clone(ar.Files)}
			for name, text := range map[string]string{
				"targets": "app platforms=linux/amd64,linux/arm64,linux/arm/v7 output=/p/out\n",
				"node":    "linux/amd64 linux/arm64 linux/arm/v7 linux/386\n",
			} {
				if !slices.ContainsFunc(ar.Files, func(f txtar.File) bool { return f.Name == name }) {
					with.Files = append(with.Files, txtar.File{Name: name, Data: []byte(text)})
				}
			}
			c := readCase(t, with)
			p, diags := plan.Make(c.cfg, plan.Request{Targets: targetNames(c.cfg)}, c.facts)
			got := map[string]string{"plan": "", "diff": "", "diagnostics": diag.Text(diags, plan.Sources(c.cfg, c.facts))}
			if p != nil {
				got["plan"] = compact(p)
				for _, d := range p.Dockerfiles {
					if d.Rewritten != nil {
						got["diff"] += udiff.Unified("a/"+d.Path, "b/"+d.Path, d.Text, *d.Rewritten)
					}
				}
			}
			compare(t, file, ar, got)
		})
	}
	if os.Getenv("XBUILD_UPDATE") == "1" {
		t.Log("rewritten; read the diff")
	}
}

// compact words a plan in lines.
func compact(p *plan.Plan) string {
	type row struct{ head, rest string }
	var rows []row
	uses := map[row][]string{}
	for _, s := range p.Stages {
		rest := s.Code + ": " + s.Reason
		if s.Kind == plan.Assembled {
			rest = ""
		}
		if f := s.ForksAt; f != nil {
			rest += fmt.Sprintf("; forks at %d by %s", f.Line, f.By)
		}
		for _, a := range s.Tried[min(1, len(s.Tried)):] {
			rest += fmt.Sprintf("; also %s %s at %s", a.Strategy, a.Code, a.At)
		}
		r := row{fmt.Sprintf("%-9s %s", s.Kind, s.Stage), rest}
		if _, ok := uses[r]; !ok {
			rows = append(rows, r)
		}
		for _, u := range s.For {
			name := u.Platform
			if len(p.Targets) > 1 {
				name = u.Target + "@" + name
			}
			uses[r] = append(uses[r], name)
		}
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s [%s]", r.head, strings.Join(uses[r], " "))
		if r.rest != "" {
			fmt.Fprintf(&b, "\n    %s", r.rest)
		}
		b.WriteByte('\n')
	}
	for _, s := range p.Suggestions {
		fmt.Fprintf(&b, "suggested for %s:\n", strings.Join(s.Targets, ", "))
		for _, line := range strings.Split(strings.TrimSpace(s.Block), "\n") {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String()
}
