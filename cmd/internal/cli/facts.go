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
func (a *app) makePlan(ctx context.Context, cfg *schema.Config, req plan.Request, choices []plan.Choice, b exec.Backend) (*plan.Plan, error) {
	facts, err := gather(ctx, a.stateDir(), cfg, req, choices, b)
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

// gather reads what a plan needs to know about the world; state is xbuild's own directory. The choices are those of the request.
func gather(ctx context.Context, state string, cfg *schema.Config, req plan.Request, choices []plan.Choice, b exec.Backend) (plan.Facts, error) {
	facts := plan.Facts{Dockerfiles: readDockerfiles(choices), Local: schema.Platform{OS: "linux", Arch: runtime.GOARCH}}
	if b == nil {
		facts.Files = filesFacts(plan.Needs(cfg, req, facts).Files, state)
		return facts, nil
	}
	node, err := b.Node(ctx)
	if err != nil {
		return facts, err
	}
	facts.Nodes = []plan.NodeFact{node}
	want := plan.Needs(cfg, req, facts)
	facts.Files = filesFacts(want.Files, state)
	if len(want.Images) > 0 {
		facts.Images, err = b.Images(ctx, want.Images)
	}
	return facts, err
}

// readDockerfiles reads the Dockerfiles of builds, and no others: what may be read was checked for these.
func readDockerfiles(builds []plan.Choice) map[string]plan.DockerfileFact {
	out := map[string]plan.DockerfileFact{}
	for _, b := range builds {
		key := plan.FileKey(b.Values)
		if _, ok := out[key]; ok {
			continue
		}
		switch {
		case b.Values.DockerfileInline != "":
			out[key] = plan.DockerfileFact{Text: b.Values.DockerfileInline}
		case filepath.IsAbs(b.Values.Dockerfile):
			out[key] = readDockerfile(b.Values)
		}
	}
	return out
}

func readDockerfile(v *schema.Build) plan.DockerfileFact {
	path := v.Dockerfile
	text, err := regular.ReadFile(path)
	if os.IsNotExist(err) && filepath.Base(path) == "Dockerfile" {
		// BuildKit takes the lower-case name too.
		if t2, err2 := regular.ReadFile(filepath.Join(filepath.Dir(path), "dockerfile")); err2 == nil {
			text, err = t2, nil
		}
	}
	if err != nil {
		return missingDockerfile(v, err)
	}
	return plan.DockerfileFact{Text: string(text)}
}

// missingDockerfile says why a Dockerfile of this machine cannot be read: its context is no directory, or it is not there.
func missingDockerfile(v *schema.Build, err error) plan.DockerfileFact {
	fact := plan.DockerfileFact{Err: errText(err).Error()}
	if !filepath.IsAbs(v.Context) {
		return fact
	}
	if st, err := os.Stat(v.Context); err != nil {
		fact.Context = errText(err).Error()
	} else if !st.IsDir() {
		fact.Context = "it is not a folder"
	}
	if !strings.HasPrefix(v.Dockerfile, v.Context+string(filepath.Separator)) {
		return fact
	}
	if entries, err := os.ReadDir(filepath.Dir(v.Dockerfile)); err == nil {
		for _, e := range entries {
			if !e.IsDir() {
				fact.Beside = append(fact.Beside, e.Name())
			}
		}
	}
	return fact
}

// checkContexts refuses contexts that are no directories that are there.
func checkContexts(cfg *schema.Config, p *plan.Plan) diag.List {
	var out diag.List
	done := map[string]bool{}
	for _, b := range p.Builds {
		t := cfg.Target(b.Target)
		check := func(dir, attr, what string) {
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
			}
		}
		check(b.Values.Context, "context", "the context")
		names := make([]string, 0, len(b.Values.Contexts))
		for n := range b.Values.Contexts {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			check(b.Values.Contexts[n], "contexts", fmt.Sprintf("the named context %q", n))
		}
	}
	return out
}
