package cli

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/exec/embedded"
	"github.com/xbuild/xbuild/exec/fingerprint"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// history is what a run knows of the runs before it.
type history struct {
	memory *fingerprint.Memory
	world  fingerprint.World
}

// history opens the memory of a project.
func (a *app) history(cfg *schema.Config) *history {
	return &history{
		memory: fingerprint.Open(fingerprint.Path(embedded.DefaultConfig(a.getenv).StateDir, cfg.Dir, cfg.Files)),
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

// endpoint identifies the BuildKit that [app.connect] would reach, without reaching for it.
func (a *app) endpoint() string {
	if addr := a.getenv("BUILDKIT_HOST"); addr != "" {
		return addr
	}
	if st, err := os.Stat(defaultSocket); err == nil && st.Mode()&os.ModeSocket != 0 {
		return "unix://" + defaultSocket
	}
	return "embedded " + embedded.DefaultConfig(a.getenv).StateDir
}

// facts are those of the run before, as far as they cannot have changed. ok is false if others are needed.
func (h *history) facts(cfg *schema.Config, req plan.Request) (facts plan.Facts, ok bool) {
	facts = plan.Facts{Local: schema.Platform{OS: "linux", Arch: runtime.GOARCH}, Nodes: h.memory.Nodes(h.world.Endpoint)}
	if len(facts.Nodes) == 0 {
		return facts, false
	}
	facts.Dockerfiles = readDockerfiles(cfg)
	for _, ref := range plan.Needs(cfg, req, facts) {
		img, ok := h.memory.Image(ref)
		if !ok {
			return facts, false
		}
		if facts.Images == nil {
			facts.Images = map[string]plan.Image{}
		}
		facts.Images[ref] = img
	}
	return facts, true
}

// guess is a plan from the facts of the run before, and what was found about it.
type guess struct {
	facts    plan.Facts
	plan     *plan.Plan
	diags    diag.List
	decision *fingerprint.Decision
}

// guess plans without a daemon; nil if that cannot be done.
func (h *history) guess(ctx context.Context, cfg *schema.Config, req plan.Request) *guess {
	facts, ok := h.facts(cfg, req)
	if !ok {
		return nil
	}
	g := &guess{facts: facts}
	if g.plan, g.diags = plan.Make(cfg, req, facts); g.plan == nil {
		return nil
	}
	if g.diags = append(g.diags, checkContexts(cfg, g.plan)...); g.diags.HasErrors() {
		return nil
	}
	g.decision = h.memory.Check(ctx, g.plan, h.world)
	return g
}

// planFresh plans for the node behind b, or takes the guess if the world is as it was.
func (a *app) planFresh(ctx context.Context, cfg *schema.Config, req plan.Request, b exec.Backend, h *history, g *guess) (*job, error) {
	facts, err := gather(ctx, cfg, req, b)
	if err != nil {
		return nil, err
	}
	j := &job{sources: plan.Sources(cfg, facts), backend: b}
	if g != nil && reflect.DeepEqual(facts, g.facts) {
		j.plan, j.decision = g.plan, g.decision
		err = a.report(g.diags.Sorted(), j.sources)
	} else {
		j.plan, err = a.planWith(cfg, req, facts)
	}
	if err != nil {
		return nil, err
	}
	if h.memory.Learn(h.world.Endpoint, facts); j.decision == nil {
		j.decision = h.memory.Check(ctx, j.plan, h.world)
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
