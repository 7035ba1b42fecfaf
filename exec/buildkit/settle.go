package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"

	"github.com/xbuild/xbuild/exec/output"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// Stages that the plan crossed on the evidence of their result are looked at as soon as they are built: every program that
// they hand on must be for the target. A build of which that is not so is made once more in the way that the plan holds ready
// (fallback.go), before anything is received or pushed.

// handover is what one stage gives to another.
type handover struct {
	from     digest.Digest // step whose result it is taken from
	index    int64         // of that result among those of the step
	path     string        // in there; may be a pattern
	stage    string        // id of the stage that gives it
	platform schema.Platform
}

// wrongFile is a file for another machine that a stage handed on.
type wrongFile struct{ stage, file, found string }

func (w *wrongFile) String() string {
	return fmt.Sprintf("%s of stage %s is %s", strings.TrimPrefix(w.file, "/"), w.stage, w.found)
}

// settle replaces the builds whose checked stages made files for another machine.
func (r *run) settle(ctx context.Context, gc gateway.Client) error {
	if r.plan.Alternative == nil {
		return nil
	}
	wrong := map[*build]*wrongFile{}
	known := map[handover]*wrongFile{}
	for _, b := range r.builds {
		if !b.Requested || b.lost || b.err != nil || b.solveErr != nil {
			continue
		}
		w, err := r.lookThrough(ctx, gc, b, known)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.note(ctx, b, err); err != nil {
			return err
		}
		if w != nil {
			wrong[b] = w
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return r.fallBack(ctx, gc, wrong)
}

// lookThrough finds the first file for another machine that checked stages hand on in a build; nil if there is none.
func (r *run) lookThrough(ctx context.Context, gc gateway.Client, b *build, known map[handover]*wrongFile) (out *wrongFile, err error) {
	handed, err := r.handovers(b)
	if err != nil || len(handed) == 0 {
		return nil, err
	}
	err = r.within(ctx, gc, b, func(ctx context.Context, gc gateway.Client) error {
		for _, h := range handed {
			w, seen := known[h]
			if !seen {
				if w, err = r.lookAt(ctx, gc, b, h); err != nil {
					return err
				}
				known[h] = w
			}
			if w != nil {
				out = w
				return nil
			}
		}
		return nil
	})
	return out, err
}

// isChecked reports whether the evidence of a stage is its result.
func (r *run) isChecked(id string) bool {
	st := r.plan.Stage(id)
	return st != nil && st.Evidence != nil && *st.Evidence == plan.Checked
}

// handovers lists what stages that are checked by their result hand on to others.
func (r *run) handovers(b *build) ([]handover, error) {
	ops, order, err := operations(b.def)
	if err != nil {
		return nil, err
	}
	var out []handover
	for _, d := range order {
		if user := r.steps.find(d); user != nil && slices.ContainsFunc(user.stages, r.isChecked) {
			continue // what such stages give each other, the plan has judged
		}
		for _, t := range takes(ops[d]) {
			from := r.steps.find(digest.Digest(t.input.Digest))
			if from == nil {
				continue
			}
			if at := slices.IndexFunc(from.stages, r.isChecked); at >= 0 {
				out = append(out, handover{digest.Digest(t.input.Digest), t.input.Index, path.Clean("/" + t.path), r.plan.Stage(from.stages[at]).Stage, b.Platform})
			}
		}
	}
	slices.SortFunc(out, func(x, y handover) int { return strings.Compare(string(x.from)+x.path, string(y.from)+y.path) })
	return slices.Compact(out), nil
}

// take is a path that a step takes out of one of its inputs.
type take struct {
	input *pb.Input
	path  string
}

// takes lists what a step takes out of its inputs, but for the one that it builds on.
func takes(op *pb.Op) []take {
	var out []take
	add := func(i int64, p string) {
		if i >= 0 && int(i) < len(op.Inputs) {
			out = append(out, take{op.Inputs[i], p})
		}
	}
	for _, a := range op.GetFile().GetActions() {
		if c := a.GetCopy(); c != nil {
			add(a.SecondaryInput, c.Src)
		}
	}
	for _, m := range op.GetExec().GetMounts() {
		if m.Dest != pb.RootMount {
			add(m.Input, m.Selector)
		}
	}
	return out
}

// lookAt looks at one thing that is handed on.
func (r *run) lookAt(ctx context.Context, gc gateway.Client, b *build, h handover) (out *wrongFile, err error) {
	def := partOf(b.def, &pb.Input{Digest: string(h.from), Index: h.index})
	if def == nil {
		return nil, fmt.Errorf("the result of stage %s cannot be looked at: its step is not there", h.stage)
	}
	res, err := gc.Solve(ctx, gateway.SolveRequest{Definition: def, CacheImports: b.imports})
	if err != nil || res.Ref == nil {
		return nil, err
	}
	w := &resultWalk{ref: res.Ref, see: func(file string, content io.ReaderAt) error { return output.CheckContent(file, content, h.platform) }}
	err = w.pattern(ctx, "/", strings.Split(strings.TrimPrefix(h.path, "/"), "/"))
	var wrong *output.Mismatch
	if errors.As(err, &wrong) {
		return &wrongFile{h.stage, wrong.Path, wrong.Found}, nil
	}
	return nil, err
}

// pattern walks through all that matches the elements of a path, below a folder. The daemon follows links on the way, and the one
// that a path ends with, as COPY does.
func (w *resultWalk) pattern(ctx context.Context, dir string, elements []string) error {
	if len(elements) == 0 || elements[0] == "" {
		return w.one(ctx, dir, nil)
	}
	name, rest := elements[0], elements[1:]
	if !strings.ContainsAny(name, `*?[\`) {
		return w.one(ctx, path.Join(dir, name), rest)
	}
	entries, err := w.ref.ReadDir(ctx, gateway.ReadDirRequest{Path: dir})
	if err != nil {
		return fmt.Errorf("the result cannot be looked through: %w", err)
	}
	for _, e := range entries {
		base := path.Base(e.Path)
		if ok, err := path.Match(name, base); ok && err == nil {
			if err := w.one(ctx, path.Join(dir, base), rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// one goes on at a path that is no pattern.
func (w *resultWalk) one(ctx context.Context, at string, rest []string) error {
	st, err := w.ref.StatFile(ctx, gateway.StatRequest{Path: at})
	switch {
	case err != nil && isMissing(err): // an optional file, or one that the next step will miss
		return nil
	case err != nil:
		return fmt.Errorf("the result cannot be looked through: %w", err)
	case len(rest) == 0:
		return w.walk(ctx, at, st)
	case st.IsDir():
		return w.pattern(ctx, at, rest)
	}
	return nil
}
