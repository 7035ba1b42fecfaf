package buildkit

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/client"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit/engine"
	"github.com/xbuild/xbuild/schema"
)

// exporterMoby is the image exporter of an engine with the classic store.
const exporterMoby = "moby"

// engineFor is the engine that an output names. The run asks each once.
func (r *run) engineFor(ctx context.Context, e *export) (*engine.Engine, error) {
	address, err := engine.Address(r.Backend.opt.DockerConfig, e.output.Attrs["context"])
	if err != nil {
		return nil, err
	}
	if r.engine != nil && (e.output.Attrs["context"] == "" || address == r.engine.Address) {
		return r.engine, nil
	}
	r.mu.Lock()
	known := r.engines[address]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	en, err := engine.Dial(ctx, address, usualPatience.dial)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engines == nil {
		r.engines = map[string]*engine.Engine{}
	}
	r.engines[address] = en
	return en, nil
}

// classic reports whether this BuildKit is that of an engine with the classic image store, which can do less.
func (r *run) classic() bool { return r.engine != nil && !r.engine.Containerd }

// checkExports sees before anything is built that every engine that an image is for is there and can hold it, and that
// the daemon can make what is asked for.
func (r *run) checkExports(ctx context.Context) error {
	const turnOn = "turn the containerd image store on (\"features\": {\"containerd-snapshotter\": true} in the engine's daemon.json, or \"Use containerd\" in Docker Desktop)"
	for _, e := range r.exports {
		if e.output.Type == schema.OutputDocker && e.key == "" {
			en, err := r.engineFor(ctx, e)
			if err != nil {
				return exportFailure(e, err, "start docker, or name an engine with DOCKER_HOST")
			}
			if e.index && !en.Containerd {
				return exportFailure(e, fmt.Errorf("the Docker Engine at %s keeps images in its classic store, which holds one platform under a name, and target %s is built for %d",
					en.Address, e.target, len(e.builds)), "build one platform with --platform, or "+turnOn)
			}
		}
		if !r.classic() {
			continue
		}
		cannot := ""
		switch {
		case e.output.Type == schema.OutputImage && e.index && len(e.builds) > 1:
			cannot = fmt.Sprintf("make an image for %d platforms", len(e.builds))
		case e.output.Image() && e.key != "":
			cannot = fmt.Sprintf("write an image to %s", e.output.Dest)
		case e.output.Image() && e.attestations() != nil:
			cannot = "attach attestations"
		case e.byDigest():
			cannot = "push by digest"
		}
		if cannot != "" {
			return exportFailure(e, fmt.Errorf("target %s: the Docker Engine at %s keeps images in its classic store, and cannot %s", e.target, r.engine.Address, cannot),
				turnOn+", or use another BuildKit with BUILDKIT_HOST")
		}
	}
	for _, c := range r.listCaches() {
		if r.classic() {
			return exportFailure(&c.export, fmt.Errorf("target %s: the Docker Engine at %s keeps images in its classic store, and cannot write a cache of type %s",
				c.target, r.engine.Address, c.cache.Type), turnOn+", or use type=inline")
		}
	}
	return nil
}

func exportFailure(e *export, err error, hint string) error {
	f := &exec.Failure{Kind: exec.OutputFailed, Err: err, Hint: hint}
	for _, b := range e.builds {
		f.Uses = append(f.Uses, b.use())
	}
	return f
}

// load puts an image into a Docker Engine: the one whose BuildKit this is has it already, another one is sent an archive.
func (r *run) load(ctx context.Context, e *export) error {
	r.announce("loading", e)
	en, err := r.engineFor(ctx, e)
	if err != nil {
		return err
	}
	attrs := e.attrs()
	delete(attrs, "context")
	var resp *client.SolveResponse
	if en == r.engine {
		resp, err = r.exportTo(ctx, r.outputOpt(e.target, e.builds...), e, r.imageExporter(), attrs)
	} else {
		resp, err = r.sendArchive(ctx, e, en, attrs)
	}
	if err == nil {
		r.report(ctx, e, resp)
	}
	return err
}

// imageExporter is the exporter of images that stay with the daemon or are pushed by it.
func (r *run) imageExporter() string {
	if r.classic() {
		return exporterMoby
	}
	return client.ExporterImage
}

// sendArchive makes an archive of an image and feeds it to an engine as it comes.
func (r *run) sendArchive(ctx context.Context, e *export, en *engine.Engine, attrs map[string]string) (*client.SolveResponse, error) {
	entry := client.ExportEntry{Type: client.ExporterDocker, Attrs: attrs}
	if e.index || en.Containerd {
		entry.Type = client.ExporterOCI
	}
	pr, pw := io.Pipe()
	loaded := make(chan error, 1)
	go func() {
		err := en.Load(ctx, pr)
		pr.CloseWithError(err) // a nil error ends the writing too
		loaded <- err
	}()
	entry.Output = func(map[string]string) (io.WriteCloser, error) { return pw, nil }
	resp, err := r.receiveFrom(ctx, e, entry)
	pw.CloseWithError(err)
	if lerr := <-loaded; lerr != nil && (err == nil || lerr.Error() != err.Error()) {
		return nil, fmt.Errorf("the image cannot be loaded into %s: %w", en.Address, lerr)
	}
	return resp, err
}

// pushFromEngine pushes what an engine with the classic store has stored under its names.
func (r *run) pushFromEngine(ctx context.Context, e *export) error {
	credentials := r.credentials()
	for _, name := range e.tags {
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return err
		}
		host := reference.Domain(ref)
		if host == "docker.io" {
			host = "https://index.docker.io/v1/"
		}
		auth, err := credentials(ctx, host, nil, func(time.Time, string) bool { return false })
		if err != nil {
			auth = types.AuthConfig{}
		}
		digest, err := r.engine.Push(ctx, name, auth)
		if err != nil {
			return fmt.Errorf("failed to push %s: %w", name, err)
		}
		e.done.Digest = digest
		e.done.Platforms = map[string]string{e.builds[0].Platform.String(): digest}
	}
	return nil
}
