package buildkit

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"

	"github.com/xbuild/xbuild/schema"
)

// archive receives an archive, or an image in a folder, into the staging folder.
func (r *run) archive(ctx context.Context, e *export) error {
	r.announce("receiving", e)
	dir := filepath.Join(r.export.dir(), e.key)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	entry := client.ExportEntry{Type: string(e.output.Type), Attrs: e.attrs()}
	if e.output.Type == schema.OutputTar && e.index {
		if _, ok := entry.Attrs["platform-split"]; !ok {
			entry.Attrs["platform-split"] = "true" // also if one of several platforms is built
		}
	}
	if e.output.Place() == schema.Folder {
		entry.OutputDir = dir
	} else {
		entry.Output = func(map[string]string) (io.WriteCloser, error) { return os.Create(r.archiveFile(e)) }
	}
	resp, err := r.receiveFrom(ctx, e, entry)
	if err != nil {
		return err
	}
	r.report(ctx, e, resp)
	// The content store leaves its workshop behind.
	return os.RemoveAll(filepath.Join(dir, "ingest"))
}

// archiveFile is where an archive is received.
func (r *run) archiveFile(e *export) string {
	return filepath.Join(r.export.dir(), e.key, filepath.Base(e.output.Dest))
}

// receiveFrom lets an exporter make the result that sends it to this process. Several such streams in one session are
// told apart only by their number in a request, so each request has a session of its own; folders are read through the
// run's all the same, since the steps name it.
func (r *run) receiveFrom(ctx context.Context, e *export, entry client.ExportEntry) (*client.SolveResponse, error) {
	opt := r.solveOpt(e.builds...)
	if err := r.ownSession(&opt); err != nil {
		return nil, err
	}
	e.inlineCache(&opt)
	maps.Copy(opt.FrontendAttrs, e.attestations())
	opt.Exports = []client.ExportEntry{entry}
	return r.client.Build(ctx, opt, product, r.assemble(e), nil)
}

// ownSession gives a request a session of its own, which offers what the run's does except for folders.
func (r *run) ownSession(opt *client.SolveOpt) error {
	more, err := r.private.attach()
	if err != nil {
		return err
	}
	auth := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: r.credentials()})
	opt.SharedSession, opt.SessionPreInitialized = nil, false
	opt.SharedKey, opt.Session = sharedKey(), append([]session.Attachable{auth}, more...)
	return nil
}
