package buildkit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"github.com/xbuild/xbuild/schema"
)

// attestations are the frontend attributes by which BuildKit is asked for what a build file wants attested; nil if that
// is nothing. The daemon makes them, and the exporter attaches them.
func (b *build) attestations() map[string]string {
	var out map[string]string
	for _, a := range b.Values.Attest {
		if a.Disabled {
			continue
		}
		var fields []string
		for _, k := range slices.Sorted(maps.Keys(a.Attrs)) {
			f := k + "=" + a.Attrs[k]
			if strings.ContainsAny(f, `",`) {
				f = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
			}
			fields = append(fields, f)
		}
		if out == nil {
			out = map[string]string{}
		}
		out["attest:"+a.Type] = strings.Join(fields, ",")
	}
	return out
}

// attestations of a result are those of its builds; a docker archive can carry none.
func (e *export) attestations() map[string]string {
	if e.output.Type == schema.OutputDocker && e.key != "" {
		return nil
	}
	return e.builds[0].attestations()
}

// byFrontend reports whether the daemon's frontend shall make the result that is attested: provenance then records what
// it was asked. Where secrets have other names than in the Dockerfile it cannot, since it knows only those, nor where a wrapper
// of go is mounted, since it knows nothing of that.
func (b *build) byFrontend() bool {
	_, provenance := b.attestations()["attest:provenance"]
	return provenance && len(b.SecretNames)+len(b.SSHNames)+len(b.file.plan.Wrapped) == 0
}

// solveResult gives the result of a build that was solved before, for an exporter.
func (r *run) solveResult(ctx context.Context, gc gateway.Client, b *build) (gateway.Reference, error) {
	if !b.byFrontend() || b.result.path != "server" {
		res, err := gc.Solve(ctx, gateway.SolveRequest{Definition: r.exported(b)})
		if err != nil {
			return nil, err
		}
		return res.Ref, nil
	}
	req := gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: b.frontendOpts(r.opt.NoCache), FrontendInputs: map[string]*pb.Definition{}}
	if err := r.serverInputs(ctx, b, &req); err != nil {
		return nil, err
	}
	res, err := gc.Solve(ctx, req)
	if err != nil {
		return nil, err
	}
	ref, ok := res.FindRef(b.id())
	if !ok {
		return nil, fmt.Errorf("the frontend made no result for %s", b.Platform)
	}
	return ref, nil
}
