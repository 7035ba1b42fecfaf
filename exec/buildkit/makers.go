package buildkit

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// vouchedError says that a stage which a strategy block vouches for made a program for another machine.
type vouchedError struct {
	at   *diag.Range // of the block; nil if it is not known
	text string
}

func (e *vouchedError) Error() string { return e.text }

// vouchedFor lists the names of those stages that the strategy block of a target vouches for, in the order of the Dockerfile.
func (r *run) vouchedFor(stages []string) []string {
	var found []*plan.Stage
	for _, id := range stages {
		if st := r.plan.Stage(id); st != nil && st.Evidence != nil && *st.Evidence == plan.Vouched {
			found = append(found, st)
		}
	}
	slices.SortFunc(found, func(a, b *plan.Stage) int { return cmp.Compare(a.Index, b.Index) })
	var out []string
	for _, st := range found {
		out = append(out, st.Stage)
	}
	return out
}

// vouchedText names the stages of which one made a file.
func vouchedText(names []string) string {
	if len(names) == 1 {
		return "stage " + names[0]
	}
	last := len(names) - 1
	return "the stages " + strings.Join(names[:last], ", ") + " and " + names[last] + ", one of which made it"
}

// passage is a copy from one stage to another.
type passage struct {
	dest   string   // where it came to lie, as an absolute path
	file   string   // where it came to lie if it is a file that was copied into a directory
	stages []string // those that it comes from
	to     []string // those that it is a step of
}

// passages are the copies between stages in the definition of a build; ok is false if that cannot be read.
func (r *run) passages(b *build) (out []passage, ok bool) {
	ops := map[string]*pb.Op{}
	for _, raw := range b.def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return nil, false
		}
		ops[string(digest.FromBytes(raw))] = &op
	}
	for d, op := range ops {
		var to []string
		if st := r.steps.find(digest.Digest(d)); st != nil {
			to = st.stages
		}
		for _, a := range op.GetFile().GetActions() {
			c := a.GetCopy()
			if c == nil || int(a.SecondaryInput) < 0 || int(a.SecondaryInput) >= len(op.Inputs) {
				continue
			}
			from := r.steps.find(digest.Digest(op.Inputs[a.SecondaryInput].Digest))
			if from == nil {
				continue
			}
			dest := path.Clean("/" + c.Dest)
			if strings.HasSuffix(c.Dest, "/") && !c.DirCopyContents && !strings.ContainsAny(c.Src, `*?[`) {
				dest = path.Join(dest, path.Base(c.Src))
			}
			file := dest
			if strings.HasSuffix(c.Dest, "/") && !strings.ContainsAny(c.Src, `*?[`) {
				file = path.Join("/", c.Dest, path.Base(c.Src))
			}
			out = append(out, passage{dest, file, from.stages, to})
		}
	}
	return out, true
}

// makers are the stages of a build that can have made a file of its result. A file that the last stage copied from a stage that the
// plan rewrote is that stage's; where nothing tells, it can be any.
func (r *run) makers(b *build, file string) []string {
	all, _ := r.passages(b)
	var out []string
	longest := -1 // the copy of the file itself, or else into the deepest directory, says most
	for _, h := range all {
		from := slices.DeleteFunc(slices.Clone(h.stages), func(id string) bool {
			st := r.plan.Stage(id)
			return st == nil || st.Evidence == nil || !slices.Contains(b.Stages, id)
		})
		dest := h.dest
		if h.file == "/"+file {
			dest = h.file
		}
		if len(from) == 0 || !slices.Contains(h.to, b.Result) || !within("/"+file, dest) || len(dest) < longest {
			continue
		}
		if len(dest) > longest {
			longest, out = len(dest), nil
		}
		out = append(out, from...)
	}
	if longest < 0 {
		return b.Stages
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// within reports whether a path is that of a directory or file, or below it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// handedOn lists the paths in the result of a build to which rewritten stages copied something.
func (r *run) handedOn(b *build) []string {
	if !r.rewritten(b) {
		return nil
	}
	all, ok := r.passages(b)
	if !ok {
		return []string{"/"}
	}
	var out []string
	for _, h := range all {
		if slices.ContainsFunc(h.stages, r.rewroteStage) && !slices.Contains(out, h.dest) {
			out = append(out, h.dest)
		}
	}
	slices.Sort(out)
	return out
}
