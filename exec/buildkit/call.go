package buildkit

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/sync/errgroup"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// callRequests are the frontend's names of what can be asked; others are passed on as they are.
var callRequests = map[string]string{"check": lint.RequestLint, "lint": lint.RequestLint, "outline": outline.RequestSubrequestsOutline, "targets": targets.RequestTargets}

// The parts of an answer.
const (
	callJSON   = "result.json"
	callText   = "result.txt"
	callStatus = "result.statuscode"
)

// Call asks the Dockerfile of each requested target what its Call says, in place of a build; the first platform stands for
// all. The answers are in plan order. The frontend of the daemon answers, about the Dockerfile as the user wrote it.
func (b *Backend) Call(ctx context.Context, p *plan.Plan, opt exec.Options) ([]exec.Answer, error) {
	r, err := b.newCall(p, opt)
	if err != nil {
		return nil, err
	}
	if r.session, err = b.openSession(ctx); err != nil {
		return nil, &exec.Failure{Kind: exec.BuildFailed, Err: fmt.Errorf("the session with BuildKit cannot be opened: %w", err)}
	}
	defer r.session.end()
	r.locals = newLocals(r.session.ID(), r.session.dirs)
	out := make([]exec.Answer, len(r.builds))
	err = b.request(ctx, r.solveOpt(), func(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
		g, gctx := errgroup.WithContext(ctx)
		for i, bd := range r.builds {
			g.Go(func() error {
				a, err := r.ask(gctx, gc, bd)
				out[i] = a
				return r.note(gctx, bd, err)
			})
		}
		return gateway.NewResult(), g.Wait()
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var lost *lostError
	if errors.As(err, &lost) { // somebody may still be at work on the answers
		return nil, r.failures(err)
	}
	return out, r.failures(err)
}

// newCall is a run with nothing in it but one build of each target that is asked, of the Dockerfiles as they stand.
func (b *Backend) newCall(p *plan.Plan, opt exec.Options) (*run, error) {
	r := &run{Backend: b, plan: p, opt: opt, emit: func(exec.Event) {}, files: map[*plan.Dockerfile]*sourceFile{}}
	r.steps = newSteps(p, r.emit)
	asked := map[string]bool{}
	for i := range p.Builds {
		pb := &p.Builds[i]
		if !pb.Requested || pb.Values.Call == "" || asked[pb.Target] {
			continue
		}
		asked[pb.Target] = true
		f := p.Dockerfile(pb.Dockerfile)
		if f == nil {
			return nil, fmt.Errorf("the plan has no Dockerfile %q", pb.Dockerfile)
		}
		written := *f
		written.Rewritten, written.Built, written.Lines = nil, "", nil
		bd := &build{Build: pb, target: p.Target(pb.Target), file: newSourceFile(&written), links: map[string]*build{}, needed: true}
		for name := range pb.Links { // nothing is built, so what they hold does not matter
			bd.links[name] = &build{result: converted{state: llb.Scratch().File(llb.Mkdir("/linked", 0o755)), config: []byte("{}")}}
		}
		r.builds = append(r.builds, bd)
	}
	return r, nil
}

// ask puts the question to the frontend.
func (r *run) ask(ctx context.Context, gc gateway.Client, b *build) (exec.Answer, error) {
	a := exec.Answer{Target: b.Target, Call: b.Values.Call, Dockerfile: b.file.plan.Path}
	if err := r.refuseRego(ctx, gc, b); err != nil {
		return a, err
	}
	req := gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: b.frontendOpts(false), FrontendInputs: map[string]*pb.Definition{}}
	req.FrontendOpt["requestid"] = b.Values.Call
	if id, ok := callRequests[b.Values.Call]; ok {
		req.FrontendOpt["requestid"] = id
	}
	req.FrontendOpt["frontend.caps"] = "moby.buildkit.frontend.subrequests"
	if err := r.serverInputs(ctx, b, &req); err != nil {
		return a, err
	}
	res, err := gc.Solve(ctx, req)
	if err != nil {
		return a, err
	}
	a.Text, a.JSON = string(res.Metadata[callText]), res.Metadata[callJSON]
	if s := res.Metadata[callStatus]; len(s) > 0 {
		if a.Status, err = strconv.Atoi(string(s)); err != nil {
			return a, fmt.Errorf("the frontend answers with the status %q", s)
		}
	}
	return a, nil
}
