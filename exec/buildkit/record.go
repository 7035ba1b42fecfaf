package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	controlapi "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/identity"
	provenancetypes "github.com/moby/buildkit/solver/llbsolver/provenance/types"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit/engine"
)

// recordTimeout bounds how long the daemon may take to tell of one record.
const recordTimeout = 30 * time.Second

// slsaPrefix begins the types of provenance predicates; the version follows.
const slsaPrefix = "https://slsa.dev/provenance/"

// recordAll takes the provenance of every target, those that others link to included, from the daemon. The daemon tells it only of requests that it keeps a record
// of, which those of a run are not; so each target is asked for once more, from the cache. The results are right without, so
// that this cannot be done is a remark.
func (r *run) recordAll(ctx context.Context, _ gateway.Client) error {
	if r.opt.Provenance == "" {
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelExports)
	for i := range r.plan.Targets {
		e := &export{target: r.plan.Targets[i].Name}
		for _, b := range r.builds {
			if b.target.Name == e.target {
				e.builds = append(e.builds, b)
				e.index = len(e.builds) > 1
			}
		}
		if len(e.builds) == 0 {
			continue
		}
		if slices.ContainsFunc(e.builds, (*build).hasSecrets) {
			r.remark(fmt.Sprintf("the provenance of target %s is not told: the daemon would keep its log too, in which a secret may stand", e.target))
			continue
		}
		g.Go(func() error {
			if err := r.record(gctx, e); err != nil && gctx.Err() == nil {
				r.remark(fmt.Sprintf("the provenance of target %s is not known: %s", e.target, cleanMessage(err)))
			}
			return nil
		})
	}
	return g.Wait()
}

// hasSecrets reports whether a step of the build may see a secret, or a sensitive argument.
func (b *build) hasSecrets() bool {
	if len(b.Values.Secrets) > 0 || len(b.Values.SensitiveArgs) > 0 {
		return true
	}
	for _, l := range b.links {
		if l.hasSecrets() {
			return true
		}
	}
	return false
}

func (r *run) record(ctx context.Context, e *export) error {
	opt := r.solveOpt(e.builds...)
	opt.Internal, opt.Ref = false, identity.NewID()
	if _, err := r.request(ctx, opt, r.assemble(e)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	stream, err := r.client.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{Ref: opt.Ref, EarlyExit: true})
	if err != nil {
		return err
	}
	rec := exec.Record{Target: e.target, Provenance: map[string]json.RawMessage{}}
	if r.engine != nil {
		builder := engine.Context(r.Backend.opt.DockerConfig)
		rec.Ref = builder + "/" + builder + "/" + opt.Ref
	}
	for {
		ev, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if ev.Record == nil {
			continue
		}
		results := ev.Record.Results
		if len(results) == 0 && ev.Record.Result != nil {
			results = map[string]*controlapi.BuildResultInfo{"": ev.Record.Result}
		}
		for platform, res := range results {
			if rec.Provenance[platform], err = r.provenance(ctx, res); err != nil {
				return err
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, rec)
	return nil
}

// provenance reads that of one result, in the form of docker buildx: SLSA 0.2, without the steps and times unless all is wanted.
func (r *run) provenance(ctx context.Context, res *controlapi.BuildResultInfo) (json.RawMessage, error) {
	for _, a := range res.Attestations {
		kind := a.Annotations["in-toto.io/predicate-type"]
		if a.MediaType != "application/vnd.in-toto+json" || !strings.HasPrefix(kind, slsaPrefix) {
			continue
		}
		text, err := content.ReadBlob(ctx, proxy.NewContentStore(r.client.ContentClient()),
			ocispecs.Descriptor{Digest: digest.Digest(a.Digest), Size: a.Size, MediaType: a.MediaType})
		if err != nil {
			return nil, err
		}
		var p *provenancetypes.ProvenancePredicateSLSA02
		if kind == slsaPrefix+"v1" {
			var v1 provenancetypes.ProvenancePredicateSLSA1
			if err := json.Unmarshal(text, &v1); err != nil {
				return nil, err
			}
			p = v1.ConvertToSLSA02()
		} else if err := json.Unmarshal(text, &p); err != nil {
			return nil, err
		}
		if r.opt.Provenance != exec.ProvenanceMax {
			p.BuildConfig, p.Metadata = nil, nil
		}
		return json.Marshal(p)
	}
	return nil, errors.New("the daemon has recorded none")
}
