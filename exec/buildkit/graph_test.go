package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/version"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
)

// imageConfig is the configuration of every image: one of triggers for those whose name says so.
func imageConfig(ref string) *dockerfile.ImageConfig {
	c := &dockerfile.ImageConfig{Env: []string{"PATH=/bin"}}
	if strings.HasPrefix(ref, "golang") {
		c.Workdir = "/go"
	}
	if strings.Contains(ref, "onbuild") {
		c.OnBuild = []string{"COPY . /src", "WORKDIR /src", "ARG TARGETARCH", "RUN make"}
	}
	return c
}

// everyImage answers for any reference with a configuration of the asked platform.
type everyImage struct{}

func (everyImage) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	p := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		p = *opt.ImageOpt.Platform
	}
	c := imageConfig(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "library/"), ":latest"))
	img := dockerspec.DockerOCIImage{Image: ocispecs.Image{Platform: p, RootFS: ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}}},
		Config: dockerspec.DockerOCIImageConfig{ImageConfig: ocispecs.ImageConfig{Env: c.Env, WorkingDir: c.Workdir},
			DockerOCIImageConfigExt: dockerspec.DockerOCIImageConfigExt{OnBuild: c.OnBuild}}}
	dt, err := json.Marshal(img)
	return ref, digest.FromBytes(dt), dt, err
}

// lineSteps is what BuildKit makes of the instructions of one line.
type lineSteps struct {
	digests  []string
	platform string // of its RUN, if it has one
}

// convertOpt is what a Dockerfile of that text is converted with.
func convertOpt(text string, target, build schema.Platform) dockerfile2llb.ConvertOpt {
	mc := llb.Local("context", llb.SessionID("s"), llb.SharedKeyHint("c"))
	opt := dockerfile2llb.ConvertOpt{MainContext: &mc, MetaResolver: everyImage{}}
	caps := pb.Caps.CapSet(pb.Caps.All())
	opt.LLBCaps = &caps
	tp := ocispecs.Platform{OS: target.OS, Architecture: target.Arch, Variant: target.Variant}
	opt.TargetPlatform = &tp
	opt.Config.BuildPlatforms = []ocispecs.Platform{{OS: build.OS, Architecture: build.Arch}}
	opt.SourceMap = llb.NewSourceMap(&mc, "Dockerfile", "Dockerfile", []byte(text))
	return opt
}

// buildkitSteps converts the file as BuildKit does and groups the operations by the first line of their instruction.
func buildkitSteps(t *testing.T, text string, target, build schema.Platform) (map[int]lineSteps, error) {
	t.Helper()
	res, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(text), convertOpt(text, target, build))
	if err != nil {
		return nil, err
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
		if locs == nil {
			continue
		}
		for _, at := range locs.Locations { // several where stages do the same
			if len(at.Ranges) == 0 { // an image of which the file says nothing else
				continue
			}
			line := int(at.Ranges[0].Start.Line)
			s := out[line]
			s.digests = append(s.digests, dg)
			if op.GetExec() != nil && op.Platform != nil {
				s.platform = schema.Platform{OS: op.Platform.OS, Arch: op.Platform.Architecture, Variant: op.Platform.Variant}.String()
			}
			slices.Sort(s.digests)
			out[line] = s
		}
	}
	return out, nil
}

// TestGraphIsBuildKits compares, for every Dockerfile of the planner's tests: which instructions become steps, on which
// platform each RUN is, and which steps two platforms share by digest. A file that BuildKit refuses must be refused here, too.
// XBUILD_DOCKERFILE_CORPUS adds a folder of files.
func TestGraphIsBuildKits(t *testing.T) {
	files := 0
	steps := 0
	texts := plannersDockerfiles(t)
	maps.DeleteFunc(texts, func(_, text string) bool {
		return strings.Contains(text, "=goroot") || strings.Contains(text, "from=common") || strings.Contains(text, "my/frontend")
	})
	for name, text := range othersDockerfiles(t) {
		if foreign, _ := dockerfile.Frontend([]byte(text), nil); !foreign {
			texts[name] = text
		}
	}
	for name, text := range texts {
		files++
		t.Run(name, func(t *testing.T) { steps += compareGraphs(t, text) })
	}
	t.Logf("%d steps of %d files", steps, files)
	if files < 60 || steps < 300 {
		t.Errorf("compared %d steps of %d files only", steps, files)
	}
}

// plannersDockerfiles are the Dockerfiles of the planner's tests, by name.
func plannersDockerfiles(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"../../plan/testdata/*.txtar", "../../plan/testdata/corpus/*.txtar", "../../plan/dockerfile/testdata/cross/*.txtar"} {
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
					texts[filepath.Base(name)+"/"+f.Name] = string(f.Data)
				}
			}
		}
	}
	return texts
}

// othersDockerfiles are those in the folder XBUILD_DOCKERFILE_CORPUS, by name.
func othersDockerfiles(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	others, err := filepath.Glob(filepath.Join(os.Getenv("XBUILD_DOCKERFILE_CORPUS"), "*Dockerfile*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range others {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(name)] = string(text)
	}
	return texts
}

// stepKey is one instruction for one target platform.
type stepKey struct {
	target schema.Platform
	line   int
}

func compareGraphs(t *testing.T, text string) int {
	build := schema.MustPlatform("linux/amd64")
	targets := []schema.Platform{build, schema.MustPlatform("linux/arm64"), schema.MustPlatform("linux/arm/v7")}
	f, refused := dockerfile.Parse("Dockerfile", []byte(text))
	ours, theirs := map[stepKey]string{}, map[stepKey]string{}
	for _, target := range targets {
		bk, err := buildkitSteps(t, text, target, build)
		d := refused
		var g *dockerfile.Graph
		if !d.HasErrors() {
			g, d = f.Resolve(dockerfile.Env{Build: build, Target: target, Context: "/ctx", Image: imageConfig})
		}
		if err != nil || d.HasErrors() {
			if err == nil || !d.HasErrors() {
				t.Errorf("for %s: BuildKit says %v, xbuild %v", target, err, d)
			}
			return 0
		}
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
