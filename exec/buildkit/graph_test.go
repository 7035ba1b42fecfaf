package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/version"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
)

// everyImage answers for any reference with a configuration of the asked platform.
type everyImage struct{}

func (everyImage) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	p := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		p = *opt.ImageOpt.Platform
	}
	img := ocispecs.Image{Platform: p, Config: ocispecs.ImageConfig{Env: []string{"PATH=/bin"}}, RootFS: ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}}}
	dt, err := json.Marshal(img)
	return ref, digest.FromBytes(dt), dt, err
}

// lineSteps is what BuildKit makes of the instructions of one line.
type lineSteps struct {
	digests  []string
	platform string // of its RUN, if it has one
}

// buildkitSteps converts the file as BuildKit does and groups the operations by the first line of their instruction.
func buildkitSteps(t *testing.T, text string, target, build schema.Platform, stage string) map[int]lineSteps {
	t.Helper()
	mc := llb.Local("context", llb.SessionID("s"), llb.SharedKeyHint("c"))
	opt := dockerfile2llb.ConvertOpt{MainContext: &mc, MetaResolver: everyImage{}}
	tp := ocispecs.Platform{OS: target.OS, Architecture: target.Arch, Variant: target.Variant}
	opt.TargetPlatform = &tp
	opt.Config.BuildPlatforms = []ocispecs.Platform{{OS: build.OS, Architecture: build.Arch}}
	opt.Config.Target = stage
	opt.SourceMap = llb.NewSourceMap(&mc, "Dockerfile", "Dockerfile", []byte(text))
	res, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(text), opt)
	if err != nil {
		t.Fatalf("BuildKit: %v", err)
	}
	def, err := res.State.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[int]lineSteps{}
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			t.Fatal(err)
		}
		dg := digest.FromBytes(dt).String()
		locs := def.Source.Locations[dg]
		if locs == nil || len(locs.Locations) == 0 {
			continue
		}
		line := int(locs.Locations[0].Ranges[0].Start.Line)
		s := out[line]
		s.digests = append(s.digests, dg)
		if op.GetExec() != nil && op.Platform != nil {
			s.platform = schema.Platform{OS: op.Platform.OS, Arch: op.Platform.Architecture, Variant: op.Platform.Variant}.String()
		}
		slices.Sort(s.digests)
		out[line] = s
	}
	return out
}

// TestGraphIsBuildKits compares, for every Dockerfile of the planner's tests: which instructions become steps, on which
// platform each RUN is, and which steps two platforms share by digest.
func TestGraphIsBuildKits(t *testing.T) {
	files := 0
	steps := 0
	for _, pattern := range []string{"../../plan/testdata/*.txtar", "../../plan/dockerfile/testdata/cross/*.txtar"} {
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
				if !strings.Contains(f.Name, "Dockerfile") && f.Name != "twin" || strings.Contains(string(f.Data), "=goroot") ||
					strings.Contains(string(f.Data), "from=common") || strings.Contains(string(f.Data), "my/frontend") {
					continue
				}
				files++
				t.Run(filepath.Base(name)+"/"+f.Name, func(t *testing.T) { steps += compareGraphs(t, string(f.Data)) })
			}
		}
	}
	if files < 60 || steps < 300 {
		t.Errorf("compared %d steps of %d files only", steps, files)
	}
}

// stepKey is one instruction for one target platform.
type stepKey struct {
	target schema.Platform
	line   int
}

func compareGraphs(t *testing.T, text string) int {
	build := schema.MustPlatform("linux/amd64")
	targets := []schema.Platform{build, schema.MustPlatform("linux/arm64"), schema.MustPlatform("linux/arm/v7")}
	f, d := dockerfile.Parse("Dockerfile", []byte(text))
	if d.HasErrors() {
		t.Fatal(d)
	}
	ours, theirs := map[stepKey]string{}, map[stepKey]string{}
	for _, target := range targets {
		g, d := f.Resolve(dockerfile.Env{Build: build, Target: target, Context: "/ctx",
			Image: func(string) *dockerfile.ImageConfig { return &dockerfile.ImageConfig{Env: []string{"PATH=/bin"}} }})
		if d.HasErrors() {
			t.Fatal(d)
		}
		bk := buildkitSteps(t, text, target, build, "")
		for i, n := range g.Nodes {
			if !g.Reached[i] {
				continue
			}
			for _, s := range n.Steps[1:] {
				if n.Base != nil && s.Line == n.Line {
					continue
				}
				ours[stepKey{target, s.Line}] = s.Key
			}
			for _, r := range n.Runs {
				if want := bk[r.Line].platform; want != n.Platform.String() {
					t.Errorf("line %d for %s: RUN on %s, BuildKit says %q", r.Line, target, n.Platform, want)
				}
			}
		}
		for line, s := range bk {
			theirs[stepKey{target, line}] = fmt.Sprint(s.digests)
		}
	}
	for k := range ours {
		if theirs[k] == "" && !unusedStep(text, k.line) {
			t.Errorf("line %d for %s is a step here, but not in BuildKit", k.line, k.target)
		}
	}
	for _, line := range lines(ours) {
		for _, target := range targets[1:] {
			a, b := stepKey{targets[0], line}, stepKey{target, line}
			if theirs[a] == "" || theirs[b] == "" {
				continue
			}
			if (ours[a] == ours[b]) != (theirs[a] == theirs[b]) {
				t.Errorf("line %d: %s and %s share it: %v here, %v in BuildKit", line, a.target, b.target, ours[a] == ours[b], theirs[a] == theirs[b])
			}
		}
	}
	return len(ours)
}

// unusedStep: BuildKit leaves out a WORKDIR of the folder that is the working directory already.
func unusedStep(text string, line int) bool {
	return strings.HasPrefix(strings.Split(text, "\n")[line-1], "WORKDIR")
}

func lines(m map[stepKey]string) []int {
	seen := map[int]bool{}
	for k := range m {
		seen[k.line] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func TestFrontendVersion(t *testing.T) {
	if want := fmt.Sprintf("1.%d", dockerfile.FrontendMinor); !strings.HasPrefix(version.Version(), want) {
		t.Errorf("the planner says the frontend is %s, BuildKit's is %s", want, version.Version())
	}
}
