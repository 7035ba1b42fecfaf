package graph_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/plan/graph"
)

// readPlan takes the plan out of a golden case of the planner: what is public of a plan is enough to draw it.
func readPlan(t *testing.T, name string) *plan.Plan {
	t.Helper()
	ar, err := txtar.ParseFile(filepath.Join("..", "testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		if f.Name == "plan" {
			p := &plan.Plan{}
			if err := json.Unmarshal(f.Data, p); err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatalf("%s has no plan", name)
	return nil
}

// TestGolden compares every format with testdata; XBUILD_UPDATE=1 rewrites it.
func TestGolden(t *testing.T) {
	for _, name := range []string{"guide_auto", "links", "opaque"} {
		p := readPlan(t, name)
		for ext, text := range map[string]string{"dot": graph.DOT(p), "mmd": graph.Mermaid(p), "svg": graph.SVG(p)} {
			file := filepath.Join("testdata", name+"."+ext)
			if os.Getenv("XBUILD_UPDATE") == "1" {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("%s differs (XBUILD_UPDATE=1 rewrites it):\n%s", file, udiff.Unified("want", "got", string(want), text))
			}
		}
	}
}

// large is a plan of 50 targets on 6 platforms: one base for all, two build stages and a result each.
func large() *plan.Plan {
	p := &plan.Plan{Version: plan.Version, Dockerfiles: []plan.Dockerfile{{ID: "d1", Path: "Dockerfile"}}}
	platforms := []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "darwin/arm64", "windows/amd64"}
	base := plan.Stage{ID: "base", Dockerfile: "d1", Stage: "base", Kind: plan.Shared, Reason: "nothing in it depends on the target platform"}
	var rest []plan.Stage
	for t := range 50 {
		name := fmt.Sprintf("service-%02d", t)
		p.Targets = append(p.Targets, plan.Target{Name: name, Platforms: platforms})
		for i, q := range platforms {
			use := []plan.Use{{Target: name, Platform: q}}
			base.For = append(base.For, use[0])
			id := func(s string) string { return fmt.Sprintf("%s%d-%d", s, t, i) }
			rest = append(rest,
				plan.Stage{ID: id("build"), Stage: "build", Dockerfile: "d1", Kind: plan.Cross, Reason: "Go without cgo", For: use, Needs: []plan.Need{{ID: "base", Via: "from"}}},
				plan.Stage{ID: id("assets"), Stage: "assets", Dockerfile: "d1", Kind: plan.Emulated, Reason: "RUN npm ci", For: use},
				plan.Stage{ID: id("out"), Stage: "out", Dockerfile: "d1", Kind: plan.Assembled, Reason: "nothing runs in it", For: use,
					Needs: []plan.Need{{ID: id("build"), Via: "copy"}, {ID: id("assets"), Via: "copy"}, {ID: "base", Via: "mount"}}})
		}
	}
	p.Stages = append([]plan.Stage{base}, rest...)
	p.Counts = plan.Counts{Stages: len(p.Stages)}
	return p
}

var nodeRect = regexp.MustCompile(`<rect class="bx" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" rx="6"/>`)

// TestLarge: 901 stages are drawn in little time, without one node over another, in a picture of bounded size.
func TestLarge(t *testing.T) {
	p := large()
	start := time.Now()
	page, err := graph.HTML(p)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("drawing took %v", d)
	}
	if out := os.Getenv("XBUILD_GRAPH_OUT"); out != "" {
		if err := os.WriteFile(out, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(page); n > 3<<20 {
		t.Errorf("the page has %d bytes", n)
	}
	checkBoxes(t, page, len(p.Stages), 6000) // in one column it would be 28,000
}

// checkBoxes: as many nodes as stages, none over another, and the picture no higher than maxHeight.
func checkBoxes(t *testing.T, text string, want int, maxHeight float64) {
	t.Helper()
	type box struct{ x, y, w, h float64 }
	var boxes []box
	for _, m := range nodeRect.FindAllStringSubmatch(text, -1) {
		var b box
		if _, err := fmt.Sscan(strings.Join(m[1:], " "), &b.x, &b.y, &b.w, &b.h); err != nil {
			t.Fatal(err)
		}
		boxes = append(boxes, b)
	}
	if len(boxes) != want {
		t.Fatalf("%d nodes are drawn, want %d", len(boxes), want)
	}
	for i, a := range boxes {
		if a.y+a.h > maxHeight {
			t.Errorf("node %d ends at %.0f, want at most %.0f", i, a.y+a.h, maxHeight)
		}
		for _, b := range boxes[:i] {
			if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
				t.Fatalf("node %d covers another one: %v, %v", i, a, b)
			}
		}
	}
}

// TestNoOverlap holds the same of every golden plan.
func TestNoOverlap(t *testing.T) {
	files, _ := filepath.Glob("../testdata/*.txtar")
	drawn := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n-- plan --\n") {
			continue
		}
		drawn++
		p := readPlan(t, strings.TrimSuffix(filepath.Base(f), ".txtar"))
		checkBoxes(t, graph.SVG(p), len(p.Stages), 1e5)
	}
	if drawn < 8 {
		t.Errorf("only %d plans were drawn", drawn)
	}
}

// TestEmpty: a plan of nothing is drawn as nothing.
func TestEmpty(t *testing.T) {
	p := &plan.Plan{Version: plan.Version}
	page, err := graph.HTML(p)
	if err != nil || !strings.Contains(page, "0 stages of 0 targets") {
		t.Errorf("the page is %q, %v", page, err)
	}
	checkBoxes(t, graph.SVG(p), 0, 0)
	if got := graph.Mermaid(p); got != "flowchart LR\n" {
		t.Errorf("Mermaid: %q", got)
	}
}

// TestHostileNames: what a build file calls its targets is text and never markup, in any format.
func TestHostileNames(t *testing.T) {
	p := readPlan(t, "guide_auto")
	evil := "a\"]<script>alert(1)</script>&\\\n-- `x"
	p.Targets[0].Name = evil
	for i := range p.Stages {
		p.Stages[i].Stage, p.Stages[i].Reason = evil, evil
		for j := range p.Stages[i].For {
			p.Stages[i].For[j].Target = evil
		}
	}
	page, err := graph.HTML(p)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page, "<script>"); n != 1 {
		t.Errorf("the page has %d scripts", n)
	}
	d := xml.NewDecoder(strings.NewReader(graph.SVG(p)))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == "script" {
			t.Error("the picture has a script")
		}
	}
	for _, text := range []string{graph.DOT(p), graph.Mermaid(p)} {
		for _, l := range strings.Split(text, "\n") {
			if strings.HasPrefix(l, "-- ") {
				t.Errorf("a name breaks its line: %s", text)
			}
		}
	}
	if strings.Contains(graph.Mermaid(p), "<script") {
		t.Error("Mermaid gets a tag")
	}
}

// TestSelfContained: the page asks nobody for anything.
func TestSelfContained(t *testing.T) {
	page, err := graph.HTML(readPlan(t, "guide_auto"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?i)(src|href)\s*=|@import|url\(|fetch\(|https?://[^"]*`).FindAllString(page, -1) {
		if m != "http://www.w3.org/2000/svg" {
			t.Errorf("the page has %q", m)
		}
	}
}
