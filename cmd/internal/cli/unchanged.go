package cli

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/exec/fingerprint"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// history is what a run knows of the runs before it.
type history struct {
	memory *fingerprint.Memory
	state  string // xbuild's own directory
	world  fingerprint.World
}

// history opens the memory of a project.
func (a *app) history(cfg *schema.Config) *history {
	return &history{
		state:  a.stateDir(),
		memory: fingerprint.Open(a.stateDir(), cfg.Dir, cfg.Files),
		world: fingerprint.World{Program: program(), Endpoint: a.endpoint(), Tag: buildkit.Tags(""),
			Owner: fmt.Sprint(output.OwnerFromEnv(a.getenv, os.Geteuid()))},
	}
}

// program identifies this program: two builds of one version may differ.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return Version
	}
	st, err := os.Stat(path)
	if err != nil {
		return Version
	}
	return fmt.Sprint(Version, " ", st.Size(), " ", st.ModTime().UnixNano())
}

// guess is a plan from the facts of the run before, and what was found about it.
type guess struct {
	facts plan.Facts
	// plan is nil if the decision was recalled: then nothing has to run.
	plan     *plan.Plan
	diags    diag.List
	decision *fingerprint.Decision
}

// guess finds out what has to run without a daemon; nil if that cannot be done.
func (h *history) guess(ctx context.Context, cfg *schema.Config, req plan.Request, allow []string) *guess {
	g := &guess{facts: plan.Facts{Local: schema.Platform{OS: "linux", Arch: runtime.GOARCH}, Nodes: h.memory.Nodes(h.world.Endpoint)}}
	if len(g.facts.Nodes) == 0 {
		return nil
	}
	g.facts.Dockerfiles = readDockerfiles(plan.Choices(cfg, req))
	id := planID(cfg, req, g.facts, allow)
	if g.decision = h.memory.Recall(ctx, id, h.world); g.decision != nil && len(g.decision.Why) == 0 {
		return g
	}
	want := plan.Needs(cfg, req, g.facts)
	g.facts.Files = filesFacts(want.Files, h.state)
	for _, ref := range want.Images {
		img, ok := h.memory.Image(ref)
		if !ok {
			return nil
		}
		if g.facts.Images == nil {
			g.facts.Images = map[string]plan.Image{}
		}
		g.facts.Images[ref] = img
	}
	if g.plan, g.diags = plan.Make(cfg, req, g.facts); g.plan == nil {
		return nil
	}
	if g.diags = append(g.diags, checkContexts(cfg, g.plan)...); g.diags.HasErrors() {
		return nil
	}
	if len(g.diags) > 0 || incomplete(g.plan) {
		id = "" // so that they are told the next time too
	}
	g.decision = h.memory.Check(ctx, g.plan, id, h.world)
	return g
}

// incomplete reports whether the plan leaves out optional platforms, which every run says.
func incomplete(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Targets, func(t plan.Target) bool { return len(t.Missing) > 0 })
}

// planID identifies all that a plan is made from, but for what images are and the files of contexts, and which privileges it
// was granted; empty if that cannot be told.
func planID(cfg *schema.Config, req plan.Request, facts plan.Facts, allow []string) string {
	images := facts.Images
	facts.Images, facts.Files = nil, nil
	for ref := range images {
		if !strings.Contains(ref, "@sha256:") { // it may be another one the next time
			return ""
		}
	}
	id, err := fingerprint.Hash(cfg, req, facts, allow)
	if err != nil {
		return ""
	}
	return id
}

// planFresh plans for the node behind b, or takes the guess if the world is as it was.
func (a *app) planFresh(ctx context.Context, cfg *schema.Config, req plan.Request, b exec.Backend, h *history, g *guess, allow []string) (*job, error) {
	facts, err := gather(ctx, a.stateDir(), cfg, req, plan.Choices(cfg, req), b)
	if err != nil {
		return nil, err
	}
	j := &job{sources: plan.Sources(cfg, facts), backend: b}
	if g != nil && g.plan != nil && reflect.DeepEqual(facts, g.facts) {
		j.plan, j.decision = g.plan, g.decision
		err = a.report(g.diags.Sorted(), j.sources)
	} else {
		j.plan, err = a.planWith(cfg, req, facts)
	}
	if err != nil {
		return nil, err
	}
	if h.memory.Learn(h.world.Endpoint, facts); j.decision == nil {
		id := ""
		if len(j.plan.Diagnostics) == 0 && !incomplete(j.plan) {
			id = planID(cfg, req, facts, allow)
		}
		j.decision = h.memory.Check(ctx, j.plan, id, h.world)
	}
	return j, nil
}

// unchangedText says what did not have to run.
func unchangedText(d *fingerprint.Decision) string {
	of := plural(len(d.Unchanged)+len(d.Why), "build")
	if len(d.Why) == 0 {
		return fmt.Sprintf("%s, nothing changed; --force builds anyway\n", of)
	}
	return fmt.Sprintf("%d of %s unchanged\n", len(d.Unchanged), of)
}
