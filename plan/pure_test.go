package plan_test

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/internal/volume"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// TestSameInputSameBytes: the plan depends on nothing but its input, and not on the order in which targets are named.
func TestSameInputSameBytes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := readCase(t, ar)
		var first []byte
		for i := range volume.Of(10, 100) {
			names := targetNames(c.cfg)
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			p, d := plan.Make(c.cfg, plan.Request{Targets: names}, c.facts)
			j, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			got := append(j, diag.JSON(d)...)
			if i == 0 {
				first = got
			} else if !bytes.Equal(got, first) {
				t.Fatalf("%s: plan %d differs from the first:\n%s\n%s", file, i, first, got)
			}
		}
	}
}

// TestEveryNeedComesFirst: a stage stands after everything it needs, and every id that is named is there.
func TestEveryNeedComesFirst(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	edges := 0
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := readCase(t, ar)
		p, _ := plan.Make(c.cfg, plan.Request{Targets: targetNames(c.cfg)}, c.facts)
		if p == nil {
			continue
		}
		seen := map[string]bool{}
		for _, s := range p.Stages {
			for _, n := range s.Needs {
				edges++
				if !seen[n.ID] {
					t.Errorf("%s: %s needs %s, which stands later or nowhere", file, s.Stage, n.ID)
				}
			}
			if seen[s.ID] {
				t.Errorf("%s: two stages have the id %s", file, s.ID)
			}
			seen[s.ID] = true
		}
		for _, b := range p.Builds {
			if !seen[b.Result] {
				t.Errorf("%s: the result of %s is no stage", file, b.Target)
			}
		}
	}
	if edges < 20 {
		t.Errorf("only %d edges were checked", edges)
	}
}
