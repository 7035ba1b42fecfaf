package buildkit

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	commonexptypes "github.com/moby/buildkit/exporter/exptypes"
	"github.com/moby/buildkit/identity"
)

// direct reports whether the daemon can make the result from the definition of its one build. It is then asked with one
// call; to assemble several, and to follow what it does, takes a dozen.
func (r *run) direct(e *export, exporter string) bool {
	return exporter == client.ExporterImage && len(e.builds) == 1 && !e.index && e.attestations() == nil && r.steps.raw == nil
}

// metadata is what an exporter must know of an image, by the names that it knows. The names of an image in an index end
// with suffix.
func (b *build) metadata(suffix string) map[string][]byte {
	md := map[string][]byte{exptypes.ExporterImageConfigKey + suffix: b.result.config}
	if len(b.result.base) > 0 {
		md[exptypes.ExporterImageBaseConfigKey+suffix] = b.result.base
	}
	if b.result.epoch != nil {
		md[commonexptypes.ExporterEpochKey+suffix] = []byte(strconv.FormatInt(b.result.epoch.Unix(), 10))
	}
	return md
}

// requestDirect is [run.request] for one build and one exporter, which takes what it does not know as metadata.
func (r *run) requestDirect(ctx context.Context, opt client.SolveOpt, b *build) (*client.SolveResponse, error) {
	ps, err := json.Marshal(exptypes.Platforms{Platforms: []exptypes.Platform{b.exportPlatform()}})
	if err != nil {
		return nil, err
	}
	attrs := map[string]string{exptypes.ExporterPlatformsKey: string(ps)}
	for k, v := range b.metadata("") {
		attrs[k] = string(v)
	}
	exporter := opt.Exports[0]
	maps.Copy(attrs, exporter.Attrs)
	req := &controlapi.SolveRequest{Ref: identity.NewID(), Session: opt.SharedSession.ID(), Internal: opt.Internal, Entitlements: opt.AllowedEntitlements,
		Definition: r.exported(b), FrontendAttrs: opt.FrontendAttrs, Cache: &controlapi.CacheOptions{},
		Exporters: []*controlapi.Exporter{{Type: exporter.Type, Attrs: attrs}}}
	for _, c := range opt.CacheExports {
		req.Cache.Exports = append(req.Cache.Exports, &controlapi.CacheOptionsEntry{Type: c.Type, Attrs: c.Attrs})
	}
	resp, err := r.solveControl(ctx, req)
	if err != nil {
		return nil, err
	}
	return &client.SolveResponse{ExporterResponse: resp.ExporterResponse}, nil
}
