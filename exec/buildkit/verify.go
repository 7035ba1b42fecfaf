package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/schema"
)

// Programs for another machine than the target's are looked for before anything is written or pushed. Folders of files
// are looked through when they were received. Of an image only what a stage that the plan rewrote hands on is looked at,
// in the daemon: what the plan did not touch is the user's own, and an image may have many thousand files. A target with
// verify is looked through whole.

// rewritten reports whether the plan changed a stage that the build uses, since then the change is to blame.
func (r *run) rewritten(b *build) bool {
	return slices.ContainsFunc(b.Stages, func(id string) bool { return r.rewroteStage(id) })
}

// rewroteStage leaves out stages that are checked by their result: that was done (settle.go), and what else is for another
// machine does not come from them.
func (r *run) rewroteStage(id string) bool {
	st := r.plan.Stage(id)
	return st != nil && st.Evidence != nil && !r.isChecked(id)
}

// mismatch is what to do about a program for another machine: an error, or a warning if it is the user's own.
func (r *run) mismatch(b *build, file string, wrong *output.Mismatch) error {
	text := fmt.Sprintf("%s of target %s is %s, but was built for %s", file, b.Target, wrong.Found, b.Platform)
	stages := r.makers(b, file)
	vouched := r.vouchedFor(stages)
	switch {
	case len(vouched) > 0:
		return &vouchedError{b.target.StrategyAt, fmt.Sprintf("%s; nothing was written; %s vouches for %s, which may not be right", text, b.target.Strategy, vouchedText(vouched))}
	case slices.ContainsFunc(stages, r.rewroteStage):
		return fmt.Errorf("%s; nothing was written; build it with strategy \"emulate\", and report this as a bug", text)
	case b.Values.Verify:
		return fmt.Errorf("%s; nothing was written, since the target has verify = true", text)
	}
	w := exec.Warning{Target: b.Target, Platform: b.Platform.String(), Text: text}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.warnings, w) { // several outputs may have the file
		r.warnings = append(r.warnings, w)
	}
	return nil
}

// verifyAll looks at the results that do not come to this machine as files.
func (r *run) verifyAll(ctx context.Context, gc gateway.Client) error {
	for _, b := range r.builds {
		elsewhere := slices.ContainsFunc(b.Values.Outputs, func(o schema.Output) bool { return o.Image() || o.Type == schema.OutputTar })
		local := slices.ContainsFunc(b.Values.Outputs, func(o schema.Output) bool { return o.Type == schema.OutputLocal })
		if !b.Requested || !elsewhere && (local || !b.Values.Verify) { // a target with verify is looked through whatever becomes of it
			continue
		}
		roots := []string{"/"}
		if !b.Values.Verify {
			roots = r.handedOn(b)
		}
		if len(roots) == 0 {
			continue
		}
		err := r.verify(ctx, gc, b, roots)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return r.noteExport(err, exec.OutputFailed, b)
		}
	}
	return nil
}

func (r *run) verify(ctx context.Context, gc gateway.Client, b *build, roots []string) error {
	return r.within(ctx, gc, b, func(ctx context.Context, gc gateway.Client) error { return r.verifyResult(ctx, gc, b, roots) })
}

// within calls f with a client that may have the results of a build.
func (r *run) within(ctx context.Context, gc gateway.Client, b *build, f func(context.Context, gateway.Client) error) error {
	if !b.alone() {
		return f(ctx, gc)
	}
	// Its request is open, but its result belongs to that.
	_, err := r.build(ctx, r.solveOpt(b), func(ctx context.Context, gc gateway.Client) (*gateway.Result, error) {
		return gateway.NewResult(), f(ctx, gc)
	}, nil)
	return err
}

func (r *run) verifyResult(ctx context.Context, gc gateway.Client, b *build, roots []string) error {
	res, err := gc.Solve(ctx, gateway.SolveRequest{Definition: b.def.ToPB()})
	if err != nil || res.Ref == nil {
		return err
	}
	w := &resultWalk{ref: res.Ref, see: func(file string, content io.ReaderAt) error {
		var wrong *output.Mismatch
		if err := output.CheckContent(file, content, b.Platform); errors.As(err, &wrong) {
			return r.mismatch(b, strings.TrimPrefix(file, "/"), wrong)
		}
		return nil
	}}
	for _, root := range roots {
		st, err := res.Ref.StatFile(ctx, gateway.StatRequest{Path: root})
		if err != nil {
			continue // a later step removed it
		}
		if err := w.walk(ctx, root, st); err != nil {
			return err
		}
	}
	return nil
}

// resultWalk goes through the regular files of a result in the daemon.
type resultWalk struct {
	ref gateway.Reference
	see func(file string, content io.ReaderAt) error
}

func (w *resultWalk) walk(ctx context.Context, file string, st *fstypes.Stat) error {
	switch mode := fs.FileMode(st.Mode); {
	case mode&fs.ModeType == 0:
		if st.Size == 0 {
			return nil
		}
		return w.see(file, &resultFile{ctx, w.ref, file})
	case os.FileMode(st.Mode).IsDir():
		entries, err := w.ref.ReadDir(ctx, gateway.ReadDirRequest{Path: file})
		if err != nil {
			return fmt.Errorf("the result cannot be looked through: %w", err)
		}
		for _, e := range entries {
			if err := w.walk(ctx, path.Join(file, path.Base(e.Path)), e); err != nil {
				return err
			}
		}
	}
	return nil
}

// resultFile reads parts of a file of a result.
type resultFile struct {
	ctx  context.Context
	ref  gateway.Reference
	path string
}

// readTime bounds one read.
const readTime = 30 * time.Second

func (f *resultFile) ReadAt(p []byte, off int64) (int, error) {
	ctx, stop := context.WithTimeout(f.ctx, readTime)
	defer stop()
	data, err := f.ref.ReadFile(ctx, gateway.ReadRequest{Filename: f.path, Range: &gateway.FileRange{Offset: int(off), Length: len(p)}})
	n := copy(p, data)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}
