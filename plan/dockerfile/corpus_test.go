package dockerfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/schema"
)

// TestAnyDockerfile judges files that people wrote and logs what it decides: nothing may crash, and every edit must parse, move
// nothing and pin what it says. XBUILD_DOCKERFILE_CORPUS adds a folder of files to those of the tests.
func TestAnyDockerfile(t *testing.T) {
	n := 0
	for _, pattern := range []string{"testdata/cross/*.txtar", "testdata/images/*.txtar", "../testdata/*.txtar", "../testdata/corpus/*.txtar"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range ar.Files {
				if strings.Contains(f.Name, "Dockerfile") || f.Name == "twin" {
					n++
					t.Run(filepath.Base(name)+"/"+f.Name, func(t *testing.T) { judgeAny(t, f.Data) })
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d files", n)
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv("XBUILD_DOCKERFILE_CORPUS"), "*Dockerfile*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(name), func(t *testing.T) { judgeAny(t, text) })
	}
}

func judgeAny(t *testing.T, text []byte) {
	if foreign, why := Frontend(text, nil); foreign {
		t.Log("opaque:", why)
		return
	}
	f, d := Parse("Dockerfile", text)
	if d.HasErrors() {
		t.Log("error:", d[0].Detail)
		return
	}
	build := schema.MustPlatform("linux/amd64")
	in := CrossInput{Build: build, Foreign: func(p schema.Platform) bool { return !build.Executes(p) }, Offers: func(string) (bool, bool) { return false, false }}
	for _, p := range []string{"linux/amd64", "linux/arm64", "linux/arm/v7"} {
		g, d := f.Resolve(Env{Build: build, Target: schema.MustPlatform(p), Context: "/ctx"})
		if d.HasErrors() {
			t.Log("error:", d[0].Summary, d[0].Detail)
			return
		}
		in.Graphs = append(in.Graphs, g)
	}
	var sound []Group
	for _, g := range Groups(in) {
		title := f.Stages[g.Root].Title()
		if g.Sound() {
			sound = append(sound, g)
			t.Log("cross:", title)
			continue
		}
		var all []string
		for _, p := range g.Problems {
			all = append(all, fmt.Sprintf("%s (line %d: %s)", p.Code, p.Line, p.Reason))
		}
		t.Log("refused:", title, g.compiles, strings.Join(all, "; "))
	}
	if len(sound) > 0 {
		checkRewrite(t, f, in, sound)
	}
}
