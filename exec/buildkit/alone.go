package buildkit

import (
	"context"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// BuildKit grants privileges to a whole request, and remembers of a request which steps failed. So a build that asks for
// privileges, or may be tried again, is solved in a request of its own, on the run's session, beside the hub. It stays
// open as long as the hub does, or its result would not be kept for the export.

// alone reports whether the build is solved in a request of its own.
func (b *build) alone() bool { return len(b.entitlements) > 0 || b.Values.Retries > 0 }

// solveAlone solves a build with the privileges that it asks for. It ends with ctx until it is solved, and
// with the hub from then on.
func (r *run) solveAlone(ctx context.Context, b *build) error {
	alone, stop := context.WithCancel(r.besideCtx)
	status := make(chan *client.SolveStatus)
	solved := make(chan error, 1)
	// Wait for the end of the status stream too: events must not come after the run.
	r.beside.Add(2)
	go func() {
		defer r.beside.Done()
		for m := range status {
			r.steps.update(m)
		}
	}()
	go func() {
		defer r.beside.Done()
		defer stop()
		_, err := r.build(alone, r.solveOpt(b), func(bctx context.Context, gc gateway.Client) (*gateway.Result, error) {
			_, err := gc.Solve(bctx, r.solveRequest(b))
			if err != nil {
				return nil, err
			}
			solved <- nil
			select {
			case <-r.over:
			case <-bctx.Done():
			}
			return gateway.NewResult(), nil
		}, status)
		if err != nil {
			select {
			case solved <- err:
			default: // the build was solved, and what comes after it does not matter
			}
		}
	}()
	select {
	case err := <-solved:
		if err != nil {
			stop()
		}
		return err
	case <-ctx.Done():
		stop()
		return context.Cause(ctx)
	}
}

// solveRequest asks for everything that a build needs.
func (r *run) solveRequest(b *build) gateway.SolveRequest {
	return gateway.SolveRequest{Definition: b.def.ToPB(), Evaluate: true, CacheImports: b.imports}
}
