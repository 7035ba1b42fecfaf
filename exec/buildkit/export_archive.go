package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// archive receives an archive, or an image in a directory, into the staging directory.
func (r *run) archive(ctx context.Context, e *export) error {
	r.announce("receiving", e)
	dir := filepath.Join(r.export.dir(), e.key)
	if err := r.makeArchiveFolder(e, dir); err != nil {
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
		entry.Output = func(map[string]string) (io.WriteCloser, error) {
			f, err := r.archiveFile(e)
			if err != nil {
				return nil, err
			}
			return e.nameInTar(f), nil
		}
	}
	resp, err := r.receiveFrom(ctx, e, entry)
	if err != nil {
		return err
	}
	r.report(ctx, e, resp)
	if e.output.Place() == schema.Folder {
		err = e.nameInDir(dir)
	}
	if err != nil || e.toStdout() {
		return err
	}
	// The content store leaves its workshop behind.
	return os.RemoveAll(filepath.Join(dir, "ingest"))
}

// makeArchiveFolder makes the directory for an export in the staging directory. A second attempt begins anew.
func (r *run) makeArchiveFolder(e *export, dir string) error {
	if e.toStdout() {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o755)
}

// toStdout reports whether the archive goes to standard output.
func (e *export) toStdout() bool { return e.output.Dest == schema.Stdout }

// copyToStdout prints the archive that goes there, now that it is complete.
func (r *run) copyToStdout() error {
	for _, e := range r.exports {
		if !e.toStdout() {
			continue
		}
		_, err := r.stdoutFile.Seek(0, io.SeekStart)
		if err == nil {
			e.done.Files = 1
			e.done.Bytes, err = io.Copy(r.Backend.opt.Stdout, r.stdoutFile)
		}
		if err != nil {
			return r.noteExport(fmt.Errorf("the archive cannot be written to standard output: %w", err), exec.OutputFailed, e.builds...)
		}
		r.addOutput(e.done)
	}
	return nil
}

// makeStdoutFile makes the file in which an archive for standard output is received. It has no name, so that nothing
// stays of it whatever happens. The caller closes it.
func (r *run) makeStdoutFile() error {
	for _, e := range r.exports {
		if !e.toStdout() {
			continue
		}
		if r.Backend.opt.Stdout == nil {
			return exportFailure(e, errors.New("an archive cannot be written to a terminal"), "redirect standard output to a file or another program")
		}
		f, err := os.CreateTemp("", "xbuild-*.tar")
		if err != nil {
			return exportFailure(e, err, "")
		}
		r.stdoutFile = f
		_ = os.Remove(f.Name()) // fails where a file that is open cannot be removed
		return nil
	}
	return nil
}

// archiveFile opens the file in which an archive is received.
func (r *run) archiveFile(e *export) (io.WriteCloser, error) {
	if !e.toStdout() {
		return os.Create(filepath.Join(r.export.dir(), e.key, filepath.Base(e.output.Dest)))
	}
	_, err := r.stdoutFile.Seek(0, io.SeekStart)
	if err == nil {
		err = r.stdoutFile.Truncate(0)
	}
	return keepOpen{r.stdoutFile}, err
}

// keepOpen is a file that is closed by somebody else.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// receiveFrom lets an exporter make the result that sends it to this process. Several such streams in one session are
// told apart only by their number in a request, so each request has a session of its own; directories are read through the
// run's all the same, since the steps name it.
func (r *run) receiveFrom(ctx context.Context, e *export, entry client.ExportEntry) (*client.SolveResponse, error) {
	opt := r.outputOpt(e.target, e.builds...)
	if err := r.ownSession(&opt); err != nil {
		return nil, err
	}
	e.inlineCache(&opt)
	maps.Copy(opt.FrontendAttrs, e.attestations())
	opt.Exports = []client.ExportEntry{entry}
	return r.request(ctx, opt, r.assemble(e))
}

// ownSession gives a request a session of its own, which offers what the run's does except for directories.
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
