package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// refusedOutputs says which outputs of a plan a run would refuse: those that cannot be written, and images that the node b, which
// may be nil, cannot hold.
func refusedOutputs(ctx context.Context, cfg *schema.Config, p *plan.Plan, b exec.Backend) diag.List {
	var out diag.List
	var seen []string
	for _, t := range p.Targets {
		for _, o := range t.Outputs {
			so := schema.Output{Type: o.Type, Dest: o.Dest, Push: o.Push, Attrs: o.Attrs}
			if so.Place() == schema.NoPlace || o.Dest == schema.Stdout || !t.Requested || slices.Contains(seen, o.Dest) {
				continue
			}
			seen = append(seen, o.Dest)
			if err := output.CanWrite(o.Dest, so.Place() == schema.Archive); err != nil {
				out = out.Errorf(string(exec.OutputFailed), cfg.Target(t.Name).At("output"), "An output cannot be written", "%v.", err)
			}
		}
	}
	asked, ok := b.(interface {
		Refuses(context.Context, *plan.Plan) error
	})
	if !ok || b == nil {
		return out
	}
	err := asked.Refuses(ctx, p)
	var f *exec.Failure
	if !errors.As(err, &f) || len(f.Uses) == 0 {
		return out // what else goes wrong here is for the run to find
	}
	out = out.Errorf(string(f.Kind), cfg.Target(f.Uses[0].Target).At("output"), "The node cannot hold an output", "%v.", f.Err)
	out[len(out)-1].Advice = f.Hint
	return out
}
