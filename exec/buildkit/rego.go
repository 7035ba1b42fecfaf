package buildkit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"

	"github.com/xbuild/xbuild/schema"
)

// policyError says that a remote context has a policy in Rego, which docker buildx evaluates and xbuild cannot.
type policyError struct {
	target, file, context string
}

func (e *policyError) Error() string {
	return fmt.Sprintf("next to the Dockerfile of the target %q is the policy %s of %s, which is written in Rego and cannot be evaluated", e.target, e.file, e.context)
}

// regoLooks remembers which remote contexts of a run have a policy, so that each is looked at once.
type regoLooks struct {
	mu    sync.Mutex
	looks map[string]func() (bool, error)
}

// once calls look for the first build that has this key, and gives its answer to all of them.
func (l *regoLooks) once(key string, look func() (bool, error)) (bool, error) {
	l.mu.Lock()
	f := l.looks[key]
	if f == nil {
		f = sync.OnceValues(look)
		if l.looks == nil {
			l.looks = map[string]func() (bool, error){}
		}
		l.looks[key] = f
	}
	l.mu.Unlock()
	return f()
}

// regoFile is the policy that docker buildx looks for in the remote context of a build without being asked; empty if it looks for
// none there. A Dockerfile that does not lie in the context has its policy where the Dockerfile is.
func (r *run) regoFile(b *build) string {
	off := func(p schema.Policy) bool { return p.Disabled }
	if r.opt.NoPolicies || slices.ContainsFunc(b.Values.Policies, off) || !schema.ParseRef(b.Values.Context).Remote() || len(b.file.text) > 0 {
		return ""
	}
	name := b.Values.Dockerfile
	if name == "" {
		name = dockerui.DefaultDockerfileName
	}
	return name + ".rego"
}

// refuseRego refuses a build with a policy in its remote context. Only the context can tell, so this is done when it is read, and
// before anything else of the build.
func (r *run) refuseRego(ctx context.Context, gc gateway.Client, b *build) error {
	file := r.regoFile(b)
	if file == "" {
		return nil
	}
	where := b.Values.Context
	found, err := r.regos.once(where+"\x00"+file, func() (bool, error) {
		ref, err := r.solveContext(ctx, gc, b)
		if ref == nil || err != nil {
			return false, err
		}
		_, err = ref.StatFile(ctx, gateway.StatRequest{Path: file})
		if err != nil && isMissing(err) {
			return false, nil
		}
		return err == nil, err
	})
	if found {
		return &policyError{b.Target, file, where}
	}
	return err
}

// solveContext reads the remote context of a build as its frontend will; nil if there is none to read.
func (r *run) solveContext(ctx context.Context, gc gateway.Client, b *build) (gateway.Reference, error) {
	keep, _ := strconv.ParseBool(b.Values.Args["BUILDKIT_CONTEXT_KEEP_GIT_DIR"])
	st, isGit, err := dockerui.DetectGitContext(b.Values.Context, &keep)
	if isGit && err != nil {
		return nil, err
	}
	if !isGit {
		source, file, ok := dockerui.DetectHTTPContext(b.Values.Context)
		if !ok {
			return nil, nil
		}
		unpacked := llb.Scratch().File(llb.Copy(*source, file, "/", &llb.CopyInfo{AttemptUnpack: true}))
		st = &unpacked
	}
	def, err := st.Marshal(ctx)
	if err == nil {
		def, err = rewriteOps(def, func(_ digest.Digest, op *pb.Op) (bool, error) { return b.rename(op), nil })
	}
	if err != nil {
		return nil, err
	}
	res, err := gc.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}
