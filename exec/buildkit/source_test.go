package buildkit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
)

// TestOnlyUsedStages: what BuildKit makes of a Dockerfile without the stages that a target does not use is what it makes of the
// whole file, down to the lines that its steps come from. XBUILD_DOCKERFILE_CORPUS adds a folder of files.
func TestOnlyUsedStages(t *testing.T) {
	texts := map[string]string{
		"independent": "FROM alpine AS a\nRUN a\n\nFROM busybox AS b\nRUN b\n\n# c is last\nFROM a AS c\nCOPY --from=b /b /\n",
		"by number":   "FROM alpine AS a\nRUN a\nFROM busybox AS b\nRUN b\nFROM scratch AS c\nCOPY --from=1 /b /\n",
		"unnamed":     "FROM alpine AS a\nRUN a\nFROM busybox\nRUN b\nFROM scratch AS c\nCOPY --from=1 /b /\n",
		"arguments":   "ARG V=3.22\nFROM alpine:${V} AS a\nRUN a\nFROM busybox:${V} AS b\nARG V\nRUN b $V\n",
		"heredocs":    "# syntax=docker/dockerfile:1\nFROM alpine AS a\nCOPY <<A <<B /\nFROM nothing\nA\nFROM nothing\nB\nFROM alpine AS b\nRUN <<E\nFROM x\nE\nFROM b AS c\nRUN c\n",
		"escape":      "# escape=`\nFROM alpine AS a\nRUN a `\n  b\nFROM `\n  alpine AS b\nRUN b\n",
		"one name":    "FROM alpine AS a\nRUN a\nFROM a AS b\nRUN b\nFROM alpine AS a\nRUN c\nFROM a AS d\nRUN d\n",
		"CRLF":        "FROM alpine AS a\r\nRUN a\r\nFROM alpine AS b\r\nRUN b \\\r\n  c\r\n",
	}
	maps.Copy(texts, plannersDockerfiles(t))
	maps.Copy(texts, othersDockerfiles(t))
	shorter := map[string]int{}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) { shorter[name] = compareTexts(t, text) })
	}
	// "by number", "unnamed" and "one name" are where the whole text must stay, at least for some targets.
	for name, want := range map[string]int{"independent": 2, "by number": 0, "unnamed": 0, "arguments": 2, "heredocs": 3, "escape": 2, "CRLF": 2} {
		if shorter[name] != want {
			t.Errorf("%s: %d targets have a shorter text, want %d", name, shorter[name], want)
		}
	}
}

// compareTexts converts each stage that has a name, from its own text and from the whole one. It counts those for which they
// differ.
func compareTexts(t *testing.T, text string) (shorter int) {
	f, d := dockerfile.Parse("Dockerfile", []byte(text))
	if d.HasErrors() {
		return 0
	}
	source := newSourceFile(&plan.Dockerfile{Path: "Dockerfile", Text: text})
	p := schema.MustPlatform("linux/arm64")
	for _, st := range f.Stages {
		g, d := f.Resolve(dockerfile.Env{Build: schema.MustPlatform("linux/amd64"), Target: p, Stage: st.Name, Context: "/ctx", Image: imageConfig})
		if d.HasErrors() || st.Name == "" {
			continue
		}
		used := map[int]string{}
		for i := range g.Nodes {
			if g.Reached[i] {
				used[i] = fmt.Sprint(i)
			}
		}
		own := source.only(used)
		if len(own) == len(text) {
			continue
		}
		shorter++
		want, err := convertStage(t, text, text, st.Name)
		got, err2 := convertStage(t, string(own), text, st.Name)
		if (err == nil) != (err2 == nil) {
			t.Errorf("stage %s: %v from its own text, %v from the whole", st.Name, err2, err)
		}
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if got[k] != want[k] {
				t.Errorf("stage %s: %s is %q, want %q, with the text\n%s", st.Name, k, got[k], want[k], own)
			}
		}
	}
	return shorter
}

// convertStage converts a stage as xbuild does. What it returns can be compared.
func convertStage(t *testing.T, text, whole, stage string) (map[string]string, error) {
	t.Helper()
	opt := convertOpt(whole, schema.MustPlatform("linux/arm64"), schema.MustPlatform("linux/amd64"))
	opt.Target = stage
	res, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(text), opt)
	if err != nil {
		return nil, err
	}
	def, err := res.State.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	image, err := json.Marshal(res.Image.Config)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"image": string(image)}
	for i, op := range def.Def {
		out[fmt.Sprint("op ", i)] = string(op)
	}
	for d, at := range def.Source.GetLocations() { // nil for an empty stage
		out["lines of "+d] = fmt.Sprint(at)
	}
	for d, md := range def.Metadata {
		out["name of "+string(d)] = fmt.Sprint(md.Description)
	}
	return out, nil
}
