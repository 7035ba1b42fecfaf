package buildkit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// byDigest reports whether the build file wants the image in its registry without a tag.
func (e *export) byDigest() bool {
	b, err := strconv.ParseBool(e.output.Attrs["push-by-digest"])
	return err == nil && b
}

// pushDigest brings an image to its registry under its digest only. The tags move when all images of the run are
// there.
func (r *run) pushDigest(ctx context.Context, e *export) error {
	r.announce("pushing", e)
	attrs := e.attrs()
	repos, err := repositories(attrs["name"])
	if err != nil {
		return err
	}
	attrs["name"], attrs["push"], attrs["push-by-digest"] = repos, "true", "true"
	_, err = r.exportTo(ctx, r.solveOpt(e.builds...), e, client.ExporterImage, attrs)
	return err
}

// repositories are the names of images without their tags.
func repositories(names string) (string, error) {
	var out []string
	for name := range strings.SplitSeq(names, ",") {
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return "", err
		}
		if repo := reference.TrimNamed(ref).Name(); !slices.Contains(out, repo) {
			out = append(out, repo)
		}
	}
	return strings.Join(out, ","), nil
}

// exportImage stores an image under its names, in the daemon's image store or with push in their registries. The daemon
// has the content, and so has the registry after [run.pushDigest].
func (r *run) exportImage(ctx context.Context, e *export) error {
	verb := "storing"
	if e.output.Push {
		verb = "tagging"
	}
	if e.there && !r.keepsImages {
		return nil // it was made to be compared, and is where it belongs
	}
	r.announce(verb, e)
	attrs := e.attrs()
	if !r.classic() {
		attrs["push"] = strconv.FormatBool(e.output.Push && !e.there)
	}
	if e.byDigest() {
		repos, err := repositories(attrs["name"])
		if err != nil {
			return err
		}
		attrs["name"] = repos
	}
	resp, err := r.exportTo(ctx, r.outputOpt(e.target, e.builds...), e, r.imageExporter(), attrs)
	if err != nil {
		return err
	}
	r.report(ctx, e, resp)
	if e.output.Push && r.classic() {
		return r.pushFromEngine(ctx, e)
	}
	return nil
}

// exportTo lets an exporter that sends nothing to this process make the result.
func (r *run) exportTo(ctx context.Context, opt client.SolveOpt, e *export, exporter string, attrs map[string]string) (*client.SolveResponse, error) {
	opt.Exports = []client.ExportEntry{{Type: exporter, Attrs: attrs}}
	e.inlineCache(&opt)
	if r.direct(e, exporter) {
		return r.requestDirect(ctx, opt, e.builds[0])
	}
	maps.Copy(opt.FrontendAttrs, e.attestations())
	return r.request(ctx, opt, r.assemble(e))
}

// annotation is [TYPE[PLATFORM],...:]KEY=VALUE.
var annotation = lazyre.New(`^(?:((?:(?:index|manifest|index-descriptor|manifest-descriptor)(?:\[[A-Za-z0-9_/-]+\])?,?)+):)?([^=]+)=(.*)$`)

// addAnnotation adds one annotation to an exporter's attributes. What belongs to an index is left out of the
// image of one of several platforms, which has none.
func addAnnotation(attrs map[string]string, s string, index bool) {
	m := annotation().FindStringSubmatch(s)
	if m == nil {
		return // the front end has told
	}
	types := "manifest"
	if m[1] != "" {
		types = m[1]
	}
	for typ := range strings.SplitSeq(types, ",") {
		name, _, _ := strings.Cut(typ, "[")
		if strings.HasPrefix(name, exptypes.AnnotationIndex) && !index {
			continue
		}
		attrs["annotation-"+typ+"."+m[2]] = m[3]
	}
}

func decodeDescriptor(s string) json.RawMessage {
	text, err := base64.StdEncoding.DecodeString(s)
	if err != nil || !json.Valid(text) {
		return nil
	}
	return text
}

// describe finds the digest of each platform's image, and the size of all of them as a registry keeps them. The daemon has
// just made them, so no registry is asked; what the daemon cannot tell stays empty.
func (r *run) describe(ctx context.Context, e *export) {
	images := map[string]string{}
	var desc ocispecs.Descriptor
	if json.Unmarshal(e.done.Descriptor, &desc) != nil || !e.index && !strings.Contains(desc.MediaType, "index") && !strings.Contains(desc.MediaType, "list") {
		images[e.builds[0].Platform.String()] = e.done.Digest
	} else {
		var index ocispecs.Index
		if !r.readManifest(ctx, e.done.Digest, &index) {
			return
		}
		for _, m := range index.Manifests {
			if m.Platform != nil && m.Platform.OS != "unknown" { // attestations
				images[fromOCI(platforms.Normalize(*m.Platform)).String()] = m.Digest.String()
			}
		}
	}
	e.done.Platforms = images
	if e.key != "" { // an archive is as large as its file
		return
	}
	sizes := map[digest.Digest]int64{}
	for _, d := range images {
		var m ocispecs.Manifest
		if !r.readManifest(ctx, d, &m) {
			return
		}
		for _, b := range append(m.Layers, m.Config) {
			sizes[b.Digest] = b.Size // a layer of several images is stored once
		}
	}
	for _, n := range sizes {
		e.done.Bytes += n
	}
}

// readManifest reads a manifest or index that the daemon has, in one call: the library's store takes three.
func (b *Backend) readManifest(ctx context.Context, d string, into any) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := b.client.ContentClient().Read(ctx, &contentapi.ReadContentRequest{Digest: d})
	var text []byte
	for err == nil && len(text) <= maxIndex {
		var part *contentapi.ReadContentResponse
		if part, err = stream.Recv(); err == nil {
			text = append(text, part.Data...)
		}
	}
	return errors.Is(err, io.EOF) && digest.FromBytes(text).String() == d && json.Unmarshal(text, into) == nil
}
