package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// makePlan reads what the plan needs to know about the world and makes it. b may be nil: the node is then assumed, and
// base images stay unknown. Problems are printed.
func (a *app) makePlan(ctx context.Context, cfg *schema.Config, req plan.Request, b exec.Backend) (*plan.Plan, error) {
	facts, err := gather(ctx, cfg, req, b)
	if err != nil {
		return nil, err
	}
	return a.planWith(cfg, req, facts)
}

// planWith makes the plan from facts. Problems are printed.
func (a *app) planWith(cfg *schema.Config, req plan.Request, facts plan.Facts) (*plan.Plan, error) {
	p, diags := plan.Make(cfg, req, facts)
	if p != nil {
		diags = append(diags, checkContexts(cfg, p)...)
	}
	return p, a.report(diags.Sorted(), plan.Sources(cfg, facts))
}

// gather reads what a plan needs to know about the world.
func gather(ctx context.Context, cfg *schema.Config, req plan.Request, b exec.Backend) (plan.Facts, error) {
	facts := plan.Facts{Dockerfiles: readDockerfiles(cfg), Local: schema.Platform{OS: "linux", Arch: runtime.GOARCH}}
	if b == nil {
		facts.Files = filesFacts(plan.Needs(cfg, req, facts).Files)
		return facts, nil
	}
	node, err := b.Node(ctx)
	if err != nil {
		return facts, err
	}
	facts.Nodes = []plan.NodeFact{node}
	want := plan.Needs(cfg, req, facts)
	facts.Files = filesFacts(want.Files)
	if len(want.Images) > 0 {
		facts.Images, err = b.Images(ctx, want.Images)
	}
	return facts, err
}

func readDockerfiles(cfg *schema.Config) map[string]plan.DockerfileFact {
	out := map[string]plan.DockerfileFact{}
	for _, t := range cfg.Targets {
		builds := []*schema.Build{&t.Base}
		for _, q := range t.Platforms {
			builds = append(builds, t.On(q))
		}
		for _, v := range builds {
			key := plan.FileKey(v)
			if _, ok := out[key]; ok {
				continue
			}
			switch {
			case v.DockerfileInline != "":
				out[key] = plan.DockerfileFact{Text: v.DockerfileInline}
			case filepath.IsAbs(v.Dockerfile):
				text, err := regular.ReadFile(v.Dockerfile)
				if os.IsNotExist(err) && filepath.Base(v.Dockerfile) == "Dockerfile" {
					// BuildKit takes the lower-case name too.
					if t2, err2 := regular.ReadFile(filepath.Join(filepath.Dir(v.Dockerfile), "dockerfile")); err2 == nil {
						text, err = t2, nil
					}
				}
				out[key] = plan.DockerfileFact{Text: string(text)}
				if err != nil {
					out[key] = plan.DockerfileFact{Err: errText(err).Error()}
				}
			}
		}
	}
	return out
}

// checkContexts refuses folders that are not there, and named contexts whose links lead outside them: BuildKit sends a
// link as it is, so what it points at would be missing in the build.
func checkContexts(cfg *schema.Config, p *plan.Plan) diag.List {
	var out diag.List
	done := map[string]bool{}
	for _, b := range p.Builds {
		t := cfg.Target(b.Target)
		check := func(dir, attr, what string, links bool) {
			if !filepath.IsAbs(dir) || done[dir+what] {
				return
			}
			done[dir+what] = true
			st, err := os.Stat(dir)
			switch {
			case err != nil:
				out = out.Errorf("context-missing", t.At(attr), "A context folder cannot be read", "%s of target %s is %s: %v.", what, t.Name, dir, errText(err))
			case !st.IsDir():
				out = out.Errorf("context-missing", t.At(attr), "A context is not a folder", "%s of target %s is %s.", what, t.Name, dir)
			case links:
				if link, to := outsideLink(dir); link != "" {
					out = out.Errorf("context-link", t.At(attr), "A named context has a link that leads outside it",
						"%s of target %s is %s, where %s points to %s.", what, t.Name, dir, link, to)
					out[len(out)-1].Advice = "use a folder that is complete in itself; for Go, a toolchain as unpacked from go.dev and not the distribution's"
				}
			}
		}
		check(b.Values.Context, "context", "the context", false)
		names := make([]string, 0, len(b.Values.Contexts))
		for n := range b.Values.Contexts {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			check(b.Values.Contexts[n], "contexts", fmt.Sprintf("the named context %q", n), true)
		}
	}
	return out
}

// outsideLink finds a relative link in the upper two levels of dir that climbs out of it.
func outsideLink(dir string) (link, to string) {
	for _, pattern := range []string{"*", "*/*"} {
		entries, _ := filepath.Glob(filepath.Join(dir, pattern)) // the pattern is valid
		for _, e := range entries {
			target, err := os.Readlink(e)
			if err != nil || filepath.IsAbs(target) {
				continue
			}
			full := filepath.Join(filepath.Dir(e), target)
			if rel, err := filepath.Rel(dir, full); err == nil && (rel == ".." || strings.HasPrefix(rel, "../")) {
				return strings.TrimPrefix(e, dir+"/"), target
			}
		}
	}
	return "", ""
}
