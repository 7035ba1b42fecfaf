package buildkit

import (
	"context"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"

	"github.com/xbuild/xbuild/exec"
)

// bring makes the image that tags will name, and brings it to its registry under its digest if early is set. An image that
// all its tags name there already is not pushed: a registry has all content of what it knows a name of, and asking it for
// the tag is one question instead of one for each layer. What is attested is another image each time, as it tells when it was
// made.
func (r *run) bring(ctx context.Context, e *export, early bool) error {
	at := ""
	if e.attestations() == nil && !e.contested {
		at = r.tag.common(ctx, e.tags)
	}
	if at != "" {
		attrs := e.attrs()
		attrs["push"], attrs["store"] = "false", "false"
		resp, err := r.exportTo(ctx, r.solveOpt(e.builds...), e, client.ExporterImage, attrs)
		if err != nil {
			return err
		}
		if r.report(ctx, e, resp); e.done.Digest == at {
			e.there = true
			return nil
		}
		e.done = exec.OutputResult{} // it is yet to be pushed
	}
	if !early {
		return nil
	}
	return r.pushDigest(ctx, e)
}

// tagWait bounds how long a registry may take to tell what a tag names, where it is only asked to save work.
const tagWait = 2 * time.Second

// tagReader asks registries for tags, and does not ask one again that this process cannot reach: the daemon may have another
// way to it.
type tagReader struct {
	read  func(ctx context.Context, ref string) (string, error)
	close func() // connections

	mu   sync.Mutex
	mute map[string]bool // by name of the registry
}

func newTagReader(dockerConfig string) *tagReader {
	t := tagTransport()
	return &tagReader{read: tags(dockerConfig, t), close: t.CloseIdleConnections, mute: map[string]bool{}}
}

// common is the digest that all tags name in their registries; empty if they do not, or if it is not known.
func (t *tagReader) common(ctx context.Context, tags []string) string {
	ctx, cancel := context.WithTimeout(ctx, tagWait)
	defer cancel()
	out := ""
	for i, tag := range tags {
		host := ""
		if ref, err := reference.ParseNormalizedNamed(tag); err == nil {
			host = reference.Domain(ref)
		}
		t.mu.Lock()
		mute := t.mute[host]
		t.mu.Unlock()
		if mute {
			return ""
		}
		at, err := t.read(ctx, tag)
		if err != nil && !errdefs.IsNotFound(err) {
			t.mu.Lock()
			t.mute[host] = true
			t.mu.Unlock()
		}
		if err != nil || i > 0 && at != out {
			return ""
		}
		out = at
	}
	return out
}
