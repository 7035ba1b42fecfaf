package buildkit

import (
	"context"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// BuildKit grants privileges to a whole request. So a build that asks for some is solved in a request of its own, on the
// run's session, beside the hub. It stays open as long as the hub does, or its result would not be kept for the export.

// solveAlone solves a build with the privileges that it asks for. The end of ctx ends the wait for it, and the end of the
// hub the build.
func (r *run) solveAlone(ctx context.Context, b *build) error {
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
		_, err := r.client.Build(r.besideCtx, r.solveOpt(b), product, func(bctx context.Context, gc gateway.Client) (*gateway.Result, error) {
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
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// solveRequest asks for everything that a build needs.
func (r *run) solveRequest(b *build) gateway.SolveRequest {
	return gateway.SolveRequest{Definition: b.def.ToPB(), Evaluate: true, CacheImports: b.imports}
}
