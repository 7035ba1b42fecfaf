package buildkit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// fallBack makes builds in the way that the plan holds ready for them, and puts the results in their place.
func (r *run) fallBack(ctx context.Context, gc gateway.Client, wrong map[*build]*wrongFile) error {
	alternatives, err := r.makeBuilds(r.plan.Alternative)
	if err != nil {
		return err
	}
	instead := map[*build]*build{} // the alternative of each
	var chosen []*build
	for _, b := range r.builds { // in plan order
		w := wrong[b]
		if w == nil {
			continue
		}
		i := slices.IndexFunc(alternatives, func(a *build) bool { return a.use() == b.use() && a.Requested })
		if i < 0 {
			if err := r.noWayLeft(ctx, b, w); err != nil {
				return err
			}
			continue
		}
		a := alternatives[i]
		a.needed, a.imports = b.needed, b.imports
		instead[b] = a
		chosen = append(chosen, a)
		r.remark(fmt.Sprintf("%s; target %s is built for %s again, as its Dockerfile is written", w, b.Target, b.Platform))
	}
	if err := r.solveInstead(ctx, gc, alternatives, chosen); err != nil {
		return err
	}
	for b, a := range instead {
		b.lost = a.lost
		if !a.lost && a.err == nil && a.solveErr == nil {
			b.Build, b.file, b.links, b.result, b.def, b.source, b.entitlements = a.Build, a.file, a.links, a.result, a.def, a.source, a.entitlements
			b.fallback = wrong[b].String()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) > 0 {
		return errStopped
	}
	return nil
}

// noWayLeft notes that a build is wrong and has no alternative.
func (r *run) noWayLeft(ctx context.Context, b *build, w *wrongFile) error {
	why := "nothing can run its Dockerfile as it is written"
	if t := r.plan.Alternative.Target(b.Target); t != nil {
		if i := slices.IndexFunc(t.Missing, func(m plan.Missing) bool { return m.Platform == b.Platform.String() }); i >= 0 {
			why = strings.TrimSuffix(t.Missing[i].Reason, ".")
		}
	}
	err := fmt.Errorf("%s, but target %s is built for %s; nothing was written; a wrapper of go gave the stage that target, and its build did not take it; there is no other way: %s",
		w, b.Target, b.Platform, why)
	if r.excused(ctx, b, err) {
		return nil
	}
	stop := r.noteExport(err, exec.OutputFailed, b)
	if r.opt.KeepGoing {
		return nil // told when the others are done
	}
	return stop
}

// solveInstead converts and solves alternatives, with those that they link to.
func (r *run) solveInstead(ctx context.Context, gc gateway.Client, all, chosen []*build) error {
	needed := map[*build]bool{}
	var need func(*build)
	need = func(b *build) {
		needed[b] = true
		for _, l := range b.links {
			need(l)
		}
	}
	for _, b := range chosen {
		need(b)
	}
	all = slices.DeleteFunc(slices.Clone(all), func(b *build) bool { return !needed[b] })
	if err := r.convertBuilds(ctx, gc, all); err != nil {
		return err
	}
	if err := r.defineBuilds(all, nil); err != nil {
		return err
	}
	return r.solveBuilds(ctx, gc, chosen, nil)
}
