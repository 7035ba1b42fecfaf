package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// usualPlatforms are those tried for an image that does not exist for the node's own platform.
var usualPlatforms = []ocispecs.Platform{
	{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "arm", Variant: "v7"},
	{OS: "linux", Architecture: "arm", Variant: "v6"}, {OS: "linux", Architecture: "386"}, {OS: "linux", Architecture: "riscv64"},
	{OS: "linux", Architecture: "ppc64le"}, {OS: "linux", Architecture: "s390x"}, {OS: "windows", Architecture: "amd64"},
}

// maxIndex bounds the size of an image index that is read.
const maxIndex = 4 << 20

// Images resolves references through the daemon, which alone knows its mirrors: digest, the platforms that exist, and
// for the node's own platform environment and triggers. A reference that cannot be resolved has Err set; the error is
// for trouble with the daemon itself. Platforms is empty if the daemon cannot tell.
func (b *Backend) Images(ctx context.Context, refs []string) (map[string]plan.Image, error) {
	out := map[string]plan.Image{}
	if len(refs) == 0 {
		return out, nil
	}
	s, err := b.openSession(ctx)
	if err != nil {
		return nil, fmt.Errorf("the session with BuildKit cannot be opened: %w", err)
	}
	defer s.end()
	r := &run{Backend: b, session: s}
	var mu sync.Mutex
	err = b.request(ctx, r.solveOpt(), func(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
		var wg sync.WaitGroup
		for _, ref := range refs {
			wg.Go(func() {
				img := b.image(ctx, gc, ref)
				mu.Lock()
				defer mu.Unlock()
				out[ref] = img
			})
		}
		wg.Wait()
		return gateway.NewResult(), context.Cause(ctx)
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		f := &exec.Failure{}
		classify(f, err)
		if f.Kind == exec.DaemonLost {
			return nil, b.unreachable(err)
		}
		return nil, fmt.Errorf("BuildKit cannot resolve images: %s", cleanMessage(err))
	}
	return out, nil
}

// image resolves one reference.
func (b *Backend) image(ctx context.Context, gc gateway.Client, ref string) plan.Image {
	img := plan.Image{Ref: ref}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		img.Err = fmt.Sprintf("it is not an image reference (%v)", err)
		return img
	}
	named = reference.TagNameOnly(named)
	found, err := b.resolveAny(ctx, gc, named.String())
	if err != nil {
		img.Err = b.imageTrouble(err)
		return img
	}
	img.Digest = found.digest.String()
	var cfg dockerspec.DockerOCIImage
	if err := json.Unmarshal(found.config, &cfg); err != nil {
		img.Err = fmt.Sprintf("its configuration cannot be read (%v)", err)
		return img
	}
	if found.own {
		img.Env, img.OnBuild, img.Workdir = nonNil(cfg.Config.Env), nonNil(cfg.Config.OnBuild), cfg.Config.WorkingDir
	}
	if found.stored { // its BuildKit takes it for no other platform
		img.Platforms = []string{fromOCI(cfg.Platform).String()}
		return img
	}
	img.Platforms, img.Single = b.imagePlatforms(ctx, found.digest, cfg.Platform)
	return img
}

// resolved is an image that was found for one platform.
type resolved struct {
	digest digest.Digest // empty for one in the classic store of a Docker Engine
	config []byte
	own    bool // the platform is the node's own
	stored bool // it is only in the classic store of a Docker Engine, for this platform
}

// resolveAny resolves a reference for the node's own platform, else for one that exists.
func (b *Backend) resolveAny(ctx context.Context, gc gateway.Client, ref string) (resolved, error) {
	var first error
	for i, p := range append([]ocispecs.Platform{b.worker[0]}, usualPlatforms...) {
		found, err := resolveFor(ctx, gc, ref, p)
		if err == nil {
			found.own = i == 0
			return found, nil
		}
		if first == nil {
			first = err
		}
		if !noMatch().MatchString(err.Error()) {
			break
		}
	}
	if p, ok := b.storedPlatform(ctx, ref); ok {
		if found, err := resolveFor(ctx, gc, ref, p); err == nil {
			found.stored = true
			return found, nil
		}
	}
	return resolved{}, first
}

func resolveFor(ctx context.Context, gc gateway.Client, ref string, p ocispecs.Platform) (resolved, error) {
	_, d, config, err := gc.ResolveImageConfig(ctx, ref, sourceresolver.Opt{LogName: "[internal] load metadata for " + ref,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &p, ResolveMode: pb.AttrImageResolveModeDefault}})
	return resolved{digest: d, config: config}, err
}

// storedPlatform is the platform of an image in the classic store of a Docker Engine, which holds one platform of an image. Asked
// for another one its BuildKit looks in the registry, and does not say what the store has.
func (b *Backend) storedPlatform(ctx context.Context, ref string) (ocispecs.Platform, bool) {
	if b.engine == nil || b.engine.Containerd {
		return ocispecs.Platform{}, false
	}
	p, err := b.engine.ImagePlatform(ctx, ref)
	return p, err == nil
}

// imagePlatforms reads what an image exists for, and whether it is a single one. Unknown is not an error: the build will tell. The daemon has just put
// the manifest that the digest names into its store, so no registry is asked.
func (b *Backend) imagePlatforms(ctx context.Context, dgst digest.Digest, only ocispecs.Platform) (list []string, single bool) {
	var index struct {
		Manifests []struct {
			Platform *ocispecs.Platform `json:"platform"`
		} `json:"manifests"`
		Config *struct{} `json:"config"`
	}
	if !b.readManifest(ctx, dgst.String(), &index) {
		return nil, false
	}
	if index.Config != nil {
		return []string{fromOCI(only).String()}, true
	}
	for _, m := range index.Manifests {
		if m.Platform == nil || m.Platform.OS == "unknown" || m.Platform.OS == "" { // attestations
			continue
		}
		if p := fromOCI(platforms.Normalize(*m.Platform)).String(); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list, false
}

// imageTrouble says why a reference cannot be resolved.
func (b *Backend) imageTrouble(err error) string {
	f := &exec.Failure{}
	classify(f, err)
	text := cleanMessage(err)
	if i := strings.LastIndex(text, "failed to resolve source metadata for "); i >= 0 {
		_, text, _ = strings.Cut(text[i+len("failed to resolve source metadata for "):], ": ")
	}
	switch {
	case f.Kind == exec.Unauthorized:
		return fmt.Sprintf("the registry wants other credentials than those in %s (%s)", b.configFile(), text)
	case strings.HasSuffix(text, ": not found") && !errors.Is(err, context.Canceled):
		return "it does not exist"
	}
	return text
}

// nonNil tells "known to be empty" from "unknown".
func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
