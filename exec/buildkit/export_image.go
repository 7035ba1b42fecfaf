package buildkit

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	commonexptypes "github.com/moby/buildkit/exporter/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// imageExport is an image to store or push: the builds of one target that share its tags.
type imageExport struct {
	target string
	builds []*build
	tags   []string
	output schema.Output
	index  bool // several platforms under one name
}

// parallelPushes bounds how many images are pushed at the same time.
const parallelPushes = 4

// exportImages stores and pushes all images. It runs after every build succeeded, so no tag moves before.
func (r *run) exportImages(ctx context.Context, _ gateway.Client) error {
	images := r.imageExports()
	results := make([]exec.OutputResult, len(images))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelPushes)
	for i, e := range images {
		g.Go(func() error {
			if gctx.Err() != nil {
				return errStopped
			}
			digest, err := r.exportImage(gctx, e)
			if err != nil {
				if gctx.Err() != nil { // another one failed before
					return errStopped
				}
				return r.imageFailed(e, err)
			}
			results[i] = exec.OutputResult{Target: e.target, Type: string(schema.OutputImage), Dest: strings.Join(e.tags, ", "), Digest: digest}
			return nil
		})
	}
	err := g.Wait()
	for _, o := range results {
		if o.Target != "" {
			r.outputs = append(r.outputs, o)
		}
	}
	return err
}

func (r *run) imageFailed(e *imageExport, err error) error {
	p := problem{err: err, kind: exec.OutputFailed}
	for _, b := range e.builds {
		p.uses = append(p.uses, b.use())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, p)
	return errStopped
}

// imageExports lists the images of the plan. A tag that all platforms of a target have names their index; a tag that
// only one has names the image of that platform.
func (r *run) imageExports() []*imageExport {
	var out []*imageExport
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
			if o.Type != schema.OutputImage {
				continue
			}
			all := imageExport{target: t.Name, output: o, index: t.Declared > 1}
			for _, b := range builds {
				single := imageExport{target: t.Name, output: o, builds: []*build{b}}
				if n < len(b.Values.Outputs) && b.Values.Outputs[n].Type == schema.OutputImage {
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
					out = append(out, &single)
				}
			}
			if all.builds = builds; len(all.tags) > 0 || len(t.Tags) == 0 {
				out = append(out, &all)
			}
		}
	}
	return out
}

func taggedByAll(builds []*build, tag string) bool {
	return !slices.ContainsFunc(builds, func(b *build) bool { return !slices.Contains(b.Values.Tags, tag) })
}

// exportImage makes one image or index of definitions that were solved before, and returns its digest.
func (r *run) exportImage(ctx context.Context, e *imageExport) (string, error) {
	verb := "storing"
	if e.output.Push {
		verb = "pushing"
	}
	r.emit(exec.Event{Type: exec.Exporting, Time: time.Now(), Name: verb + " " + strings.Join(e.tags, ", ")})
	attrs := map[string]string{}
	maps.Copy(attrs, e.output.Attrs)
	if len(e.tags) > 0 {
		attrs["name"] = strings.Join(e.tags, ",")
	}
	attrs["push"] = strconv.FormatBool(e.output.Push)
	opt := r.solveOpt(e.builds...)
	opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: attrs}}
	resp, err := r.client.Build(ctx, opt, product, e.assemble, nil)
	if err != nil {
		return "", err
	}
	return resp.ExporterResponse[exptypes.ExporterImageDigestKey], nil
}

// assemble is the build that the exporter takes its result from.
func (e *imageExport) assemble(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
	res := gateway.NewResult()
	var ps exptypes.Platforms
	for _, b := range e.builds {
		one, err := gc.Solve(ctx, gateway.SolveRequest{Definition: b.def.ToPB()})
		if err != nil {
			return nil, err
		}
		p := b.exportPlatform()
		ps.Platforms = append(ps.Platforms, p)
		suffix := ""
		if e.index {
			suffix = "/" + p.ID
			res.AddRef(p.ID, one.Ref)
		} else {
			res.SetRef(one.Ref)
		}
		res.AddMeta(exptypes.ExporterImageConfigKey+suffix, b.result.config)
		if len(b.result.base) > 0 {
			res.AddMeta(exptypes.ExporterImageBaseConfigKey+suffix, b.result.base)
		}
		if b.result.epoch != nil {
			res.AddMeta(commonexptypes.ExporterEpochKey+suffix, []byte(strconv.FormatInt(b.result.epoch.Unix(), 10)))
		}
	}
	md, err := json.Marshal(ps)
	if err != nil {
		return nil, err
	}
	res.AddMeta(exptypes.ExporterPlatformsKey, md)
	return res, nil
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
