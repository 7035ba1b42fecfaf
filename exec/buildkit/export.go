package buildkit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// export is one result that BuildKit assembles of builds of one target: an image, an index of several, or an archive.
type export struct {
	target string
	builds []*build
	tags   []string
	output schema.Output
	index  bool // several platforms in one
	// singles are the tags of an archive that name the image of one platform, not the index.
	singles map[schema.Platform][]string

	key  string // directory in the staging directory, for an archive
	done exec.OutputResult
	// there says that all tags in the registry name this very image already.
	there bool
	// contested says that another target has one of the tags too. The last one in the order of the plan gets it.
	contested bool
}

// parallelExports bounds how many results are made at the same time.
const parallelExports = 16

// exportAll makes every result that is not a directory of files, in an order that leaves no half release behind: first what
// nobody sees (archives go to the staging directory, images to their registries by digest, caches), then the files
// at their destinations, then the engine's images, and the tags last.
func (r *run) exportAll(ctx context.Context, gc gateway.Client) error {
	var first, engine, last []func(context.Context) error
	var inTurn []*export
	moves := 0 // of files into place, images into an engine, and tags
	if r.export.staging != nil {
		moves++
	}
	for _, e := range r.exports {
		switch {
		case e.output.Type == schema.OutputImage && e.output.Push:
			moves += max(1, len(e.tags))
		case e.output.Type == schema.OutputDocker:
			moves++
		}
	}
	for _, e := range r.exports {
		step := func(do func(context.Context, *export) error) func(context.Context) error {
			return func(ctx context.Context) error { return r.exportStep(ctx, e, do) }
		}
		switch {
		case e.output.Place() != schema.NoPlace:
			first = append(first, step(r.archive))
			continue
		case e.output.Type == schema.OutputDocker && !e.contested:
			engine = append(engine, step(r.load))
			continue
		case e.output.Type != schema.OutputDocker && e.output.Push && !e.byDigest() && !r.classic():
			first = append(first, step(func(ctx context.Context, e *export) error { return r.bring(ctx, e, moves > 1) }))
		}
		if e.contested {
			inTurn = append(inTurn, e)
		} else {
			last = append(last, step(r.exportImage))
		}
	}
	if len(inTurn) > 0 {
		last = append(last, func(ctx context.Context) error { return r.exportInTurn(ctx, inTurn) })
	}
	for _, c := range r.listCaches() {
		first = append(first, func(ctx context.Context) error { return r.writeCache(ctx, c) })
	}
	for _, phase := range [][]func(context.Context) error{first, {r.commitFiles}, engine, last} {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(parallelExports)
		for _, f := range phase {
			g.Go(func() error { return f(gctx) })
		}
		if err := g.Wait(); err != nil {
			r.reportDone()
			return err
		}
	}
	r.reportDone()
	return nil
}

// exportInTurn names images one after the other, so that of those with one tag the last one has it.
func (r *run) exportInTurn(ctx context.Context, exports []*export) error {
	for _, e := range exports {
		do := r.exportImage
		if e.output.Type == schema.OutputDocker {
			do = r.load
		}
		if err := r.exportStep(ctx, e, do); err != nil {
			return err
		}
	}
	return nil
}

// markContested finds the images that have a tag of another target's.
func markContested(exports []*export) {
	by := map[string][]*export{}
	for _, e := range exports {
		if e.output.Place() != schema.NoPlace {
			continue
		}
		for _, name := range e.names() {
			name = schema.FullName(name)
			by[name] = append(by[name], e)
		}
	}
	for _, list := range by {
		for _, e := range list {
			e.contested = e.contested || slices.ContainsFunc(list, func(o *export) bool { return o.target != e.target })
		}
	}
}

// reportDone adds the images that were stored or tagged to the result of the run, also if another one failed. Files are
// reported when they are in place.
func (r *run) reportDone() {
	for _, e := range r.exports {
		if e.done.Target != "" && e.key == "" {
			r.addOutput(e.done)
		}
	}
}

func (r *run) addOutput(o exec.OutputResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outputs = append(r.outputs, o)
}

// exportPauses are the times before an export is tried again that a registry did not take.
var exportPauses = []time.Duration{time.Second, 3 * time.Second}

// exportStep does one thing for an export and notes its failure. All content is cached, so trying again is cheap.
func (r *run) exportStep(ctx context.Context, e *export, do func(context.Context, *export) error) error {
	if ctx.Err() != nil {
		return errStopped
	}
	err := do(ctx, e)
	for _, pause := range exportPauses {
		f := &exec.Failure{}
		if err == nil || ctx.Err() != nil {
			break
		}
		if classify(f, err); f.Kind != exec.Registry {
			break
		}
		r.remark(fmt.Sprintf("%s: %s; it is tried again in %s", e.title(), cleanMessage(err), pause))
		select {
		case <-time.After(pause):
			err = do(ctx, e)
		case <-ctx.Done():
		}
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil { // another one failed before
		return errStopped
	}
	return r.noteExport(err, exec.OutputFailed, e.builds...)
}

// noteExport records a failure that is not that of a build.
func (r *run) noteExport(err error, kind exec.FailureKind, builds ...*build) error {
	p := problem{err: r.outputDisk(err, builds), kind: kind}
	for _, b := range builds {
		p.uses = append(p.uses, b.use())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, p)
	return errStopped
}

// listExports lists the results of the plan that are not directories of files.
func (r *run) listExports() []*export {
	var out []*export
	for i := range r.plan.Targets {
		t := &r.plan.Targets[i]
		var builds []*build
		for _, b := range r.builds {
			if b.target == t && b.Requested {
				builds = append(builds, b)
			}
		}
		if len(builds) == 0 {
			continue
		}
		for n, o := range builds[0].Values.Outputs {
			switch {
			case o.Type == schema.OutputImage:
				out = append(out, imageExports(t, builds, n, t.Declared > 1)...)
			case o.Type == schema.OutputDocker && o.Place() == schema.NoPlace:
				out = append(out, imageExports(t, builds, n, len(builds) > 1)...)
			case o.Type == schema.OutputTar || o.Type == schema.OutputOCI || o.Type == schema.OutputDocker:
				out = append(out, archiveExports(t, builds, n)...)
			}
		}
	}
	for i, e := range out {
		if e.output.Place() != schema.NoPlace {
			e.key = "a" + strconv.Itoa(i)
		}
	}
	markContested(out)
	return out
}

// imageExports lists the images of one output. A tag that all platforms of a target have names their index; a tag that
// only one has names the image of that platform. index says that the image of all is an index.
func imageExports(t *plan.Target, builds []*build, n int, index bool) []*export {
	o := builds[0].Values.Outputs[n]
	all := &export{target: t.Name, output: o, index: index}
	var out []*export
	for _, b := range builds {
		single := &export{target: t.Name, output: o, builds: []*build{b}}
		if n < len(b.Values.Outputs) && b.Values.Outputs[n].Type == o.Type {
			single.output = b.Values.Outputs[n]
		}
		for _, tag := range b.Values.Tags {
			switch {
			case !taggedByAll(builds, tag):
				single.tags = append(single.tags, tag)
			case !slices.Contains(all.tags, tag):
				all.tags = append(all.tags, tag)
			}
		}
		if len(single.tags) > 0 {
			out = append(out, single)
		}
	}
	if all.builds = builds; len(all.tags) > 0 || len(t.Tags) == 0 {
		out = append(out, all)
	}
	return out
}

// archiveExports lists the archives of one output: one for all platforms, or one each where the build file says so.
func archiveExports(t *plan.Target, builds []*build, n int) []*export {
	o := builds[0].Values.Outputs[n]
	if !builds[0].ownDest(o) {
		e := &export{target: t.Name, builds: builds, output: o, tags: allTags(builds), index: t.Declared > 1}
		if o.Type == schema.OutputOCI && e.index {
			e.splitTags()
		}
		return []*export{e}
	}
	var out []*export
	for _, b := range builds {
		if n < len(b.Values.Outputs) {
			out = append(out, &export{target: t.Name, builds: []*build{b}, output: b.Values.Outputs[n], tags: b.Values.Tags})
		}
	}
	return out
}

// splitTags takes the tags that only some of the platforms have from those of the index.
func (e *export) splitTags() {
	singles := map[schema.Platform][]string{}
	for _, b := range e.builds {
		for _, tag := range b.Values.Tags {
			if !taggedByAll(e.builds, tag) {
				singles[b.Platform] = append(singles[b.Platform], tag)
			}
		}
	}
	if len(singles) > 0 {
		e.singles = singles
		e.tags = slices.DeleteFunc(e.tags, func(tag string) bool { return !taggedByAll(e.builds, tag) })
	}
}

func taggedByAll(builds []*build, tag string) bool {
	return !slices.ContainsFunc(builds, func(b *build) bool { return !slices.Contains(b.Values.Tags, tag) })
}

func allTags(builds []*build) []string {
	var out []string
	for _, b := range builds {
		for _, tag := range b.Values.Tags {
			if !slices.Contains(out, tag) {
				out = append(out, tag)
			}
		}
	}
	return out
}

// attrs are the exporter's attributes: those of the output, and the annotations if it is an image.
func (e *export) attrs() map[string]string {
	attrs := map[string]string{}
	maps.Copy(attrs, e.output.Attrs)
	if e.output.Image() {
		for _, b := range e.builds {
			for _, a := range b.Values.Annotations {
				addAnnotation(attrs, a, e.index || e.attestations() != nil)
			}
		}
		if len(e.tags) > 0 {
			attrs["name"] = fullNames(e.tags)
		}
	}
	return attrs
}

// names are the tags of an image, or what its output names it if it has none.
func (e *export) names() []string {
	names := e.tags
	if name := e.output.Attrs["name"]; len(e.tags) == 0 && name != "" {
		names = strings.Split(name, ",")
	}
	for _, b := range e.builds {
		names = append(names[:len(names):len(names)], e.singles[b.Platform]...)
	}
	return names
}

// fullNames are names with registry and tag: an engine's store knows an image by no shorter one.
func fullNames(tags []string) string {
	var out []string
	for _, t := range tags {
		out = append(out, schema.FullName(t))
	}
	return strings.Join(out, ",")
}

// title names the result in messages.
func (e *export) title() string {
	if e.key != "" {
		return e.output.Dest
	}
	if len(e.tags) == 0 {
		return e.output.Attrs["name"]
	}
	return strings.Join(e.tags, ", ")
}

func (r *run) announce(verb string, e *export) {
	what := cmp.Or(e.title(), "the image of target "+e.target)
	r.emit(exec.Event{Type: exec.Exporting, Time: time.Now(), Name: verb + " " + what})
}

// report notes what BuildKit says about an image that it made.
func (r *run) report(ctx context.Context, e *export, resp *client.SolveResponse) {
	e.done = exec.OutputResult{Target: e.target, Type: string(e.output.Type), Dest: e.title(), Names: e.names(),
		Digest: resp.ExporterResponse[exptypes.ExporterImageDigestKey], Config: resp.ExporterResponse[exptypes.ExporterImageConfigDigestKey],
		Descriptor: decodeDescriptor(resp.ExporterResponse[exptypes.ExporterImageDescriptorKey])}
	if e.done.Digest != "" {
		r.describe(ctx, e)
	}
}

// assemble is the build that an exporter takes its result from.
func (r *run) assemble(e *export) gateway.BuildFunc {
	return func(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
		res := gateway.NewResult()
		var ps exptypes.Platforms
		for _, b := range e.builds {
			ref, err := r.solveResult(ctx, gc, b)
			if err != nil {
				return nil, err
			}
			p := b.exportPlatform()
			ps.Platforms = append(ps.Platforms, p)
			suffix := ""
			if e.index {
				suffix = "/" + p.ID
				res.AddRef(p.ID, ref)
			} else {
				res.SetRef(ref)
			}
			for k, v := range b.metadata(suffix) {
				res.AddMeta(k, v)
			}
		}
		md, err := json.Marshal(ps)
		if err != nil {
			return nil, err
		}
		res.AddMeta(exptypes.ExporterPlatformsKey, md)
		return res, nil
	}
}

// exportPlatform is the build's platform in an index. A windows image takes the version of the system from its base.
func (b *build) exportPlatform() exptypes.Platform {
	p := exptypes.Platform{ID: b.id(), Platform: platforms.Normalize(toOCI(b.Platform))}
	var cfg ocispecs.Platform
	if p.Platform.OS == "windows" && json.Unmarshal(b.result.config, &cfg) == nil && cfg.OS == "windows" {
		p.Platform.OSVersion, p.Platform.OSFeatures = cfg.OSVersion, cfg.OSFeatures
	}
	return p
}
