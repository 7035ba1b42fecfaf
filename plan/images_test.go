package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// imageConfig is one target with these values, in one dialect.
func imageConfig(bake bool, platforms []schema.Platform, values schema.Build, perPlatform map[schema.Platform]*schema.Build) *schema.Config {
	t := &schema.Target{Name: "t", Platforms: platforms, Base: values, PerPlatform: perPlatform}
	cfg := &schema.Config{Dir: "/p", Files: []string{"xbuild.hcl"}, Targets: []*schema.Target{t}}
	if bake {
		cfg.Requested = []string{"t"}
	}
	return cfg
}

func imageFacts() plan.Facts {
	amd := schema.MustPlatform("linux/amd64")
	return plan.Facts{Dockerfiles: map[string]plan.DockerfileFact{"/p/Dockerfile": {Text: "FROM scratch\nCOPY x /\n"}}, Local: amd,
		Nodes: []plan.NodeFact{{Name: "hub", Platforms: []schema.Platform{amd}}}}
}

// codesOf are the codes of a plan's errors.
func codesOf(cfg *schema.Config, req plan.Request) string {
	_, diags := plan.Make(cfg, req, imageFacts())
	var out []string
	for _, d := range diags {
		out = append(out, d.Code)
	}
	return strings.Join(out, " ")
}

// TestPartialTags: all ways to ask for some platforms, with all outputs and tags. A tag of an index is never pushed for a part of
// its platforms unless that is allowed, or the file is Bake's.
func TestPartialTags(t *testing.T) {
	amd, arm := schema.MustPlatform("linux/amd64"), schema.MustPlatform("linux/arm64")
	outputs := map[string]schema.Output{
		"registry":  {Type: schema.OutputImage, Push: true},
		"by digest": {Type: schema.OutputImage, Push: true, Attrs: map[string]string{"push-by-digest": "true", "name": "r.example/x"}},
		"stored":    {Type: schema.OutputImage},
		"load":      {Type: schema.OutputDocker},
		"folder":    {Type: schema.OutputLocal, Dest: "/p/out"},
		"archive":   {Type: schema.OutputOCI, Dest: "/p/a.tar"},
	}
	requests := map[string]plan.Request{
		"all":        {Targets: []string{"t"}},
		"both":       {Targets: []string{"t@linux/amd64", "t@linux/arm64"}},
		"@":          {Targets: []string{"t@linux/arm64"}},
		"--platform": {Targets: []string{"t"}, Platforms: []schema.Platform{amd}},
		"allowed":    {Targets: []string{"t@linux/arm64"}, PartialTags: true},
	}
	n := 0
	for output, o := range outputs {
		for request, req := range requests {
			for _, tags := range []string{"index", "own", "index and own"} {
				for _, bake := range []bool{false, true} {
					values := func(p schema.Platform) *schema.Build {
						b := &schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", Outputs: []schema.Output{o}}
						if tags != "own" {
							b.Tags = append(b.Tags, "r.example/x:all")
						}
						if tags != "index" {
							b.Tags = append(b.Tags, "r.example/x:"+p.Arch)
						}
						return b
					}
					per := map[schema.Platform]*schema.Build{amd: values(amd), arm: values(arm)}
					got := codesOf(imageConfig(bake, []schema.Platform{amd, arm}, *per[amd], per), req)
					want := ""
					if output == "registry" && (request == "@" || request == "--platform") && tags != "own" && !bake {
						want = "partial-tags"
					}
					if got != want {
						t.Errorf("output %s, request %s, tags %s, Bake %t: got %q, want %q", output, request, tags, bake, got, want)
					}
					n++
				}
			}
		}
	}
	if n < 150 {
		t.Errorf("only %d cases", n)
	}
}

// TestIndexAnnotations: an annotation of an index is an error exactly where the image is in no index.
func TestIndexAnnotations(t *testing.T) {
	amd, arm := schema.MustPlatform("linux/amd64"), schema.MustPlatform("linux/arm64")
	for _, platforms := range [][]schema.Platform{nil, {amd}, {amd, arm}} {
		for _, annotation := range []string{"k=v", "manifest:k=v", "k=index:v", "index:k=v", "index-descriptor:k=v", "manifest,index:k=v", "index[linux/amd64]:k=v"} {
			for _, o := range []schema.Output{{Type: schema.OutputImage, Push: true}, {Type: schema.OutputOCI, Dest: "/p/a.tar"}, {Type: schema.OutputDocker}, {Type: schema.OutputLocal, Dest: "/p/out"}} {
				for _, attest := range [][]schema.Attest{nil, {{Type: "provenance"}}, {{Type: "provenance", Disabled: true}}} {
					cfg := imageConfig(false, platforms, schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", Tags: []string{"r.example/x:1"},
						Outputs: []schema.Output{o}, Annotations: []string{"manifest:a=b", annotation}, Attest: attest}, nil)
					want := ""
					if len(platforms) < 2 && o.Type != schema.OutputLocal && strings.Contains(strings.SplitN(annotation, "=", 2)[0], "index") && (attest == nil || attest[0].Disabled) {
						want = "index-annotation"
					}
					if got := codesOf(cfg, plan.Request{Targets: []string{"t"}}); got != want {
						t.Error(fmt.Sprint(platforms, " ", annotation, " ", o.Type, " ", attest, ": got ", got, ", want ", want))
					}
				}
			}
		}
	}
}
