package buildkit

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
)

// The wrapper of the go command is compiled by the go command that it is for, once for each base image, in a step of its own;
// so it needs no program for the node's architecture, whatever this process runs on. It is mounted over the go command, and the
// real one beside it, so that whoever calls go, by PATH or by its full name, calls the wrapper, and nothing of it stays in a
// layer.

//go:embed gowrap/main.go
var wrapperSource []byte

const (
	goCommand = "/usr/local/go/bin/go" // in the official images
	goReal    = "/usr/local/go/bin/.xbuild-go"
)

// wrapper is the compiled wrapper of one image.
type wrapper struct {
	def   *llb.Definition // what makes it
	file  *pb.Input       // the folder that holds it, under the name go
	image *pb.Input       // the image that has the real one
}

// wrap mounts the wrapper for the RUN instructions for which the plan wants it. Steps of linked builds are left alone.
func (b *build) wrap(linked map[digest.Digest]bool) error {
	if len(b.file.plan.Wrapped) == 0 {
		return nil
	}
	ops, order, err := operations(b.def)
	if err != nil {
		return err
	}
	wrappers := map[digest.Digest]*wrapper{} // by image
	of := map[digest.Digest]*wrapper{}       // by step
	for _, d := range order {
		first, _ := b.lines(b.def, d)
		if linked[d] || ops[d].GetExec() == nil || !slices.Contains(b.file.plan.Wrapped, first) {
			continue
		}
		root := rootOf(ops, d)
		if root == "" {
			return fmt.Errorf("the step in line %d has no base image that the wrapper of go could be made for", first)
		}
		if wrappers[root] == nil {
			if wrappers[root], err = newWrapper(b.def, root, ops[root], ops[d].Platform); err != nil {
				return err
			}
		}
		of[d] = wrappers[root]
	}
	def := b.def
	for _, w := range wrappers {
		def = joined(w.def, def)
	}
	b.def, err = rewriteOps(def, func(d digest.Digest, op *pb.Op) (bool, error) {
		w := of[d]
		if w != nil {
			w.mount(op)
		}
		return w != nil, nil
	})
	return err
}

// mount adds the wrapper and the real go command to a step.
func (w *wrapper) mount(op *pb.Op) {
	e, n := op.GetExec(), int64(len(op.Inputs))
	op.Inputs = append(op.Inputs, w.file.CloneVT(), w.image.CloneVT())
	e.Mounts = append(e.Mounts,
		&pb.Mount{Input: n, Selector: "/go", Dest: goCommand, Output: int64(pb.SkipOutput), Readonly: true},
		&pb.Mount{Input: n + 1, Selector: goCommand, Dest: goReal, Output: int64(pb.SkipOutput), Readonly: true})
}

// operations are those of a definition, in its order; the one that only marks the result is not among them.
func operations(def *llb.Definition) (ops map[digest.Digest]*pb.Op, order []digest.Digest, err error) {
	ops = map[digest.Digest]*pb.Op{}
	for _, raw := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return nil, nil, err
		}
		if op.Op != nil {
			d := digest.FromBytes(raw)
			ops[d] = &op
			order = append(order, d)
		}
	}
	return ops, order, nil
}

// rootOf is the image that the file system of a step grows from; "" if it grows from something else.
func rootOf(ops map[digest.Digest]*pb.Op, d digest.Digest) digest.Digest {
	for op := ops[d]; op != nil; op = ops[d] {
		if op.GetSource() != nil {
			return d
		}
		if len(op.Inputs) == 0 {
			return ""
		}
		at := 0
		if e := op.GetExec(); e != nil {
			root := slices.IndexFunc(e.Mounts, func(m *pb.Mount) bool { return m.Dest == pb.RootMount })
			if root < 0 || e.Mounts[root].Input < 0 {
				return ""
			}
			at = int(e.Mounts[root].Input)
		}
		d = digest.Digest(op.Inputs[at].Digest)
	}
	return ""
}

// newWrapper is the step that compiles the wrapper in an image.
func newWrapper(def *llb.Definition, root digest.Digest, image *pb.Op, p *pb.Platform) (*wrapper, error) {
	raw, err := image.MarshalVT()
	for _, r := range def.Def {
		if digest.FromBytes(r) == root {
			raw = r
		}
	}
	if err != nil {
		return nil, err
	}
	at := &pb.Input{Digest: string(root)}
	last, err := (&pb.Op{Inputs: []*pb.Input{at}}).MarshalVT()
	if err != nil {
		return nil, err
	}
	md := map[digest.Digest]llb.OpMetadata{root: def.Metadata[root]}
	source, err := llb.NewDefinitionOp((&llb.Definition{Def: [][]byte{raw, last}, Metadata: md}).ToPB())
	if err != nil {
		return nil, err
	}
	platform := llb.Platform(p.Spec())
	code := llb.Scratch().File(llb.Mkfile("/gowrap.go", 0o644, wrapperSource), llb.WithCustomName("[internal] source of the wrapper of go"))
	run := llb.NewState(source.Output()).Run(
		llb.Args([]string{goCommand, "build", "-trimpath", "-ldflags=-s -w", "-o", "/xbuild/bin/go", "/xbuild/src/gowrap.go"}),
		llb.AddMount("/xbuild/src", code, llb.Readonly), llb.AddMount("/xbuild/tmp", llb.Scratch(), llb.Tmpfs()),
		llb.AddEnv("PATH", "/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin"), llb.AddEnv("HOME", "/xbuild/tmp"), llb.AddEnv("TMPDIR", "/xbuild/tmp"),
		llb.AddEnv("GOCACHE", "/xbuild/tmp/cache"), llb.AddEnv("GOPATH", "/xbuild/tmp/go"), llb.AddEnv("GO111MODULE", "off"), llb.AddEnv("GOENV", "off"),
		llb.AddEnv("GOTOOLCHAIN", "local"), llb.AddEnv("CGO_ENABLED", "0"),
		llb.Network(pb.NetMode_NONE), platform, llb.WithCustomName("[internal] compile the wrapper of go"))
	made, err := run.AddMount("/xbuild/bin", llb.Scratch()).Marshal(context.Background(), platform)
	if err != nil {
		return nil, err
	}
	var end pb.Op
	if err := end.UnmarshalVT(made.Def[len(made.Def)-1]); err != nil {
		return nil, err
	}
	made.Def = made.Def[:len(made.Def)-1]
	return &wrapper{def: made, file: end.Inputs[0], image: at}, nil
}

// joined is a definition with the operations of another one before its own.
func joined(first, def *llb.Definition) *llb.Definition {
	out := &llb.Definition{Def: slices.Concat(first.Def, def.Def), Metadata: map[digest.Digest]llb.OpMetadata{}, Source: def.Source, Constraints: def.Constraints}
	for _, from := range []*llb.Definition{first, def} {
		for d, md := range from.Metadata {
			out.Metadata[d] = md
		}
	}
	return out
}
