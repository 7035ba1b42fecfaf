package buildkit

import (
	"context"
	"slices"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// markNeeded finds the builds that the run cannot do without: the requested ones that are not optional, and what they link
// to.
func (r *run) markNeeded() {
	for _, b := range slices.Backward(r.builds) { // users come after what they link to
		b.needed = b.needed || b.Requested && !b.Values.Optional
		for _, l := range b.links {
			l.needed = l.needed || b.needed
		}
	}
}

// excused notes the failure of a build that the run can do without; false if it is not one, or if the fault is not the
// build's own.
func (r *run) excused(ctx context.Context, b *build, err error) bool {
	var f exec.Failure
	if classify(&f, err); b.needed || ctx.Err() != nil || f.Kind == exec.DaemonLost {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b.lost = true
	r.missing = append(r.missing, problem{build: b, err: err, uses: []plan.Use{b.use()}})
	return true
}

// dropLost takes the builds that failed, and were excused, out of what is written.
func (r *run) dropLost(context.Context, gateway.Client) error {
	lost := func(b *build) bool { return b.lost }
	r.builds = slices.DeleteFunc(slices.Clone(r.builds), lost)
	for _, e := range r.exports {
		e.builds = slices.DeleteFunc(slices.Clone(e.builds), lost)
	}
	r.exports = slices.DeleteFunc(r.exports, func(e *export) bool { return len(e.builds) == 0 })
	r.export.items = slices.DeleteFunc(r.export.items, func(it *localItem) bool { return it.build.lost })
	return nil
}

// missed makes one failure of each cause that stopped optional builds, but for causes that are told anyway.
func (r *run) missed() []*exec.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*exec.Failure
	for _, p := range r.causes(r.missing) {
		known := func(q problem) bool { return r.key(p) == r.key(q) }
		if !slices.ContainsFunc(r.problems, known) {
			out = append(out, r.failure(p))
		}
	}
	return out
}
