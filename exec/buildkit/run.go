package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"golang.org/x/sync/errgroup"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit/engine"
	"github.com/xbuild/xbuild/plan"
)

// product is how BuildKit is told who asks.
const product = "xbuild"

// run is one execution of a plan.
type run struct {
	*Backend
	plan    *plan.Plan
	opt     exec.Options
	gate    *gate
	emit    func(exec.Event)
	steps   *steps
	builds  []*build // in plan order
	files   map[*plan.Dockerfile]*sourceFile
	session *buildSession
	locals  *locals
	images  imageCache
	regos   regoLooks
	tag     *tagReader
	export  *localExport
	exports []*export
	private *private

	// over is closed when the hub has done all its work, and beside counts what runs next to it.
	over      chan struct{}
	beside    sync.WaitGroup
	besideCtx context.Context // ends when the hub fails

	cacheStores map[string]content.Store // caches in directories, by the names under which the session serves them

	// writing is held while files are put into place, and by a run that is over. A run does not wait for ever for what it
	// asked of a daemon that is lost, but a commit is not left halfway.
	writing sync.Mutex

	mu       sync.Mutex
	remarks  []string
	problems []problem
	warnings []exec.Warning
	missing  []problem // of builds that the run can do without
	outputs  []exec.OutputResult
	records  []exec.Record
	caches   map[string]string         // manifests of those that were written, by target
	engines  map[string]*engine.Engine // by address

	stdoutFile *os.File // of an archive for standard output
}

// runOnce is [Backend.Run] without what that does about a full disk.
func (b *Backend) runOnce(ctx context.Context, p *plan.Plan, opt exec.Options, emit func(exec.Event)) (*exec.Result, error) {
	g := &gate{emit: emit}
	defer g.close()
	r, err := b.newRun(p, opt, g)
	if err != nil {
		return nil, err
	}
	defer r.export.close()
	defer r.tag.close()
	if err := r.checkExports(ctx); err != nil {
		return nil, err
	}
	if err := r.makeStdoutFile(); err != nil {
		return nil, err
	}
	if f := r.stdoutFile; f != nil {
		defer os.Remove(f.Name())
		defer f.Close()
	}
	if opt.Reading != nil {
		opt.Reading()
	}
	r.session, err = r.openSession(ctx)
	if err != nil {
		return nil, &exec.Failure{Kind: exec.BuildFailed, Err: fmt.Errorf("the session with BuildKit cannot be opened: %w", err)}
	}
	r.locals = newLocals(r.session.ID(), r.session.dirs)
	err = r.hub(ctx)
	r.writing.Lock()
	r.session.end()
	if ctx.Err() != nil {
		return r.result(), context.Cause(ctx)
	}
	return r.result(), r.failures(err)
}

func (b *Backend) newRun(p *plan.Plan, opt exec.Options, g *gate) (*run, error) {
	r := &run{Backend: b, plan: p, opt: opt, gate: g, emit: g.send, files: map[*plan.Dockerfile]*sourceFile{}, over: make(chan struct{})}
	r.steps, r.tag = newSteps(p, r.emit), newTagReader(b.opt.DockerConfig)
	if opt.Status != nil {
		r.steps.raw = g.raw(opt.Status)
	}
	var err error
	if r.builds, err = r.makeBuilds(p); err != nil {
		return nil, err
	}
	r.markNeeded()
	if r.private, err = r.newPrivate(); err != nil {
		return nil, err
	}
	r.findImports()
	r.steps.hide = r.private.hide
	r.exports = r.listExports()
	r.export, err = r.newLocalExport()
	return r, err
}

// makeBuilds makes the builds of a plan: the one that is run, or its alternative.
func (r *run) makeBuilds(p *plan.Plan) ([]*build, error) {
	var out []*build
	byUse := map[plan.Use]*build{}
	for i := range p.Builds {
		pb := &p.Builds[i]
		f, t := p.Dockerfile(pb.Dockerfile), r.plan.Target(pb.Target)
		if f == nil || t == nil {
			return nil, fmt.Errorf("the plan has no Dockerfile %q or no target %q", pb.Dockerfile, pb.Target)
		}
		if r.files[f] == nil {
			r.files[f] = newSourceFile(f)
		}
		bd := &build{Build: pb, target: t, file: r.files[f], links: map[string]*build{}, ready: make(chan struct{})}
		for name, u := range pb.Links {
			l := byUse[u]
			if l == nil {
				return nil, fmt.Errorf("the plan builds %s on %s before %s on %s, which it uses", pb.Target, pb.Platform, u.Target, u.Platform)
			}
			bd.links[name] = l
		}
		byUse[bd.use()] = bd
		out = append(out, bd)
	}
	return out, nil
}

// result tells what is known so far.
func (r *run) result() *exec.Result {
	r.mu.Lock()
	outputs, records, caches, warnings := slices.Clone(r.outputs), slices.Clone(r.records), maps.Clone(r.caches), slices.Clone(r.warnings)
	r.mu.Unlock()
	res := &exec.Result{Outputs: outputs, Images: r.images.digests(), Missing: r.missed(), Records: records, Caches: caches, Warnings: warnings}
	for _, b := range r.builds {
		select {
		case <-b.ready:
			if b.err == nil {
				res.Builds = append(res.Builds, exec.BuildResult{Target: b.Target, Platform: b.Platform.String(), Path: b.result.path, Why: b.result.why, Fallback: b.fallback})
			}
		default:
		}
	}
	return res
}

// hub runs everything inside one gateway build, and returns when the daemon has said all about it.
func (r *run) hub(ctx context.Context) error {
	return r.attended(ctx, func(ctx context.Context) error {
		var stop context.CancelFunc
		r.besideCtx, stop = context.WithCancel(ctx)
		defer stop()
		status := make(chan *client.SolveStatus)
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			for m := range status {
				r.steps.update(m)
			}
		}()
		_, err := r.build(ctx, r.solveOpt(), r.buildAll, status)
		if err != nil {
			stop()
		}
		close(r.over)
		<-drained
		r.beside.Wait()
		return err
	})
}

// solveOpt are the options of a request that shares the run's session, with the privileges of some builds.
func (r *run) solveOpt(builds ...*build) client.SolveOpt {
	var grants []string
	for _, b := range builds {
		grants = append(grants, b.entitlements...)
	}
	return client.SolveOpt{SharedSession: r.session.Session, SessionPreInitialized: true, Internal: true, FrontendAttrs: map[string]string{},
		AllowedEntitlements: grants}
}

// errStopped ends the hub after a failure that was noted.
var errStopped = errors.New("a build failed")

// buildAll is the hub: convert, solve, export. It returns an empty result; what it made has gone where it belongs.
func (r *run) buildAll(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
	phases := []func(context.Context, gateway.Client) error{r.convertAll, r.define, r.solveAll, r.settle, r.dropLost, r.verifyAll, r.exportLocals, r.exportAll,
		r.recordAll}
	for _, phase := range phases {
		err := phase(ctx, gc)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	return gateway.NewResult(), nil
}

func (r *run) convertAll(ctx context.Context, gc gateway.Client) error {
	return r.convertBuilds(ctx, gc, r.builds)
}

// convertBuilds makes LLB of builds. They wait for those they link to.
func (r *run) convertBuilds(ctx context.Context, gc gateway.Client, builds []*build) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, b := range builds {
		g.Go(func() error {
			defer close(b.ready)
			b.result, b.err = r.convert(gctx, gc, b)
			if b.err == nil {
				b.def, b.err = b.result.state.Marshal(gctx)
			}
			if b.err == nil {
				b.err = b.own()
			}
			if b.err == nil {
				b.err = r.locals.collect(b.def, r.alike(b))
			}
			return r.note(gctx, b, b.err)
		})
	}
	return g.Wait()
}

// alike reports whether the directories that a build reads may travel with those of others. What describes the build in full
// shows the paths as they are in the Dockerfile.
func (r *run) alike(b *build) bool {
	return b.result.path == "client" && !b.alone() && len(b.attestations()) == 0 && r.steps.raw == nil
}

func (r *run) define(ctx context.Context, _ gateway.Client) error {
	together, err := r.locals.join(ctx)
	if err != nil {
		return err
	}
	return r.defineBuilds(r.builds, together)
}

// defineBuilds gives builds their final definitions and registers the steps.
func (r *run) defineBuilds(builds []*build, together *bundle) error {
	for _, b := range builds {
		if b.err != nil {
			continue
		}
		if b.def, b.err = r.locals.rewrite(b.def, together); b.err != nil {
			return b.err
		}
		st := r.plan.Stage(b.Result)
		r.steps.add(b, b.def, st != nil && st.Kind == plan.Opaque)
		for _, f := range r.files {
			b.def.Source = f.mapSources(b.def.Source)
		}
		b.source, b.def.Source = b.def.Source, nil
	}
	return nil
}

// gate lets events through until the run has returned.
type gate struct {
	mu     sync.RWMutex
	closed bool
	emit   func(exec.Event)
}

func (g *gate) send(e exec.Event) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.closed && g.emit != nil {
		g.emit(e)
	}
}

// raw prints messages of the status stream as long as the gate is open.
func (g *gate) raw(to func([]byte)) func(*client.SolveStatus) {
	return func(m *client.SolveStatus) {
		g.mu.RLock()
		defer g.mu.RUnlock()
		if line, err := json.Marshal(m); err == nil && !g.closed {
			to(line)
		}
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
