package buildkit

import (
	"context"
	"slices"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
)

// primer lets one compile step go ahead of all others that share its compile cache and target platform. What they have
// in common, for Go the standard library, is then compiled once and found in the cache by the others; if they all began
// together, each would compile it.
type primer struct {
	leader *build
	stage  string // id of the stage instance that goes ahead
	err    error  // set before the leader begins
}

// primers finds the compile steps that share a cache, by the builds that have them. A step that shares with no other
// needs no primer.
func (r *run) primers() map[*build]*primer {
	type key struct{ cache, platform string }
	leaders, users := map[key]*primer{}, map[key]map[string]bool{}
	of := map[*build]key{}
	for _, b := range r.builds {
		if !b.Requested || b.err != nil || b.alone() || len(b.After) > 0 {
			continue
		}
		for _, id := range b.Stages {
			st := r.plan.Stage(id)
			if st == nil || len(st.Caches) == 0 {
				continue
			}
			k := key{st.Caches[0], b.Platform.String()}
			if leaders[k] == nil {
				leaders[k], users[k] = &primer{leader: b, stage: id}, map[string]bool{}
			}
			users[k][id] = true
			if _, ok := of[b]; !ok {
				of[b] = k
			}
		}
	}
	out := map[*build]*primer{}
	for b, k := range of {
		if len(users[k]) > 1 {
			out[b] = leaders[k]
		}
	}
	return out
}

// prime builds the step that goes ahead. An error is the leader's own; the others go on and meet it themselves if they need that
// step.
func (s *solving) prime(ctx context.Context, p *primer) {
	def := s.run.upTo(p.leader, p.stage)
	if def == nil {
		return
	}
	if _, p.err = s.gc.Solve(ctx, gateway.SolveRequest{Definition: def, Evaluate: true, CacheImports: p.leader.imports}); p.err != nil && ctx.Err() != nil {
		p.err = context.Cause(ctx) // a timeout too
	}
}

// upTo is the part of a build's definition that the last RUN of a stage needs, itself included; nil if there is none.
func (r *run) upTo(b *build, stage string) *pb.Definition {
	var head digest.Digest
	for _, raw := range b.def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return nil
		}
		d := digest.FromBytes(raw)
		// Definitions list what is needed before what needs it, so the last one wins.
		if st := r.steps.find(d); op.GetExec() != nil && st != nil && slices.Contains(st.stages, stage) {
			head = d
		}
	}
	if head == "" {
		return nil
	}
	return partOf(b.def, &pb.Input{Digest: string(head)})
}

// partOf is the part of a definition that a result of one of its steps needs; nil if the step is not in it.
func partOf(def *llb.Definition, result *pb.Input) *pb.Definition {
	ops, _, err := operations(def)
	head := digest.Digest(result.Digest)
	if err != nil || ops[head] == nil {
		return nil
	}
	needed := map[digest.Digest]bool{}
	var mark func(digest.Digest)
	mark = func(d digest.Digest) {
		if needed[d] || ops[d] == nil {
			return
		}
		needed[d] = true
		for _, in := range ops[d].Inputs {
			mark(digest.Digest(in.Digest))
		}
	}
	mark(head)
	out := &llb.Definition{Metadata: def.Metadata, Source: def.Source, Constraints: def.Constraints}
	for _, raw := range def.Def {
		if needed[digest.FromBytes(raw)] {
			out.Def = append(out.Def, raw)
		}
	}
	last, err := (&pb.Op{Inputs: []*pb.Input{result}}).MarshalVT()
	if err != nil {
		return nil
	}
	out.Def = append(out.Def, last)
	return out.ToPB()
}
