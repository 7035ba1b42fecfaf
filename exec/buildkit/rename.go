package buildkit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

// rewriteOps returns a definition in which change had its way with every operation, and the digests of all that depends
// on a changed one are made anew. The argument stays as it is.
func rewriteOps(def *llb.Definition, change func(d digest.Digest, op *pb.Op) (changed bool, err error)) (*llb.Definition, error) {
	out := &llb.Definition{Metadata: map[digest.Digest]llb.OpMetadata{}, Constraints: def.Constraints}
	moved := map[digest.Digest]digest.Digest{}
	seen := map[digest.Digest]bool{}
	for _, raw := range def.Def { // inputs come before their users
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return nil, err
		}
		old := digest.FromBytes(raw)
		changed, err := change(old, &op)
		if err != nil {
			return nil, err
		}
		for _, in := range op.Inputs {
			if to, ok := moved[digest.Digest(in.Digest)]; ok {
				in.Digest, changed = string(to), true
			}
		}
		if changed {
			if raw, err = (proto.MarshalOptions{Deterministic: true}).Marshal(&op); err != nil {
				return nil, err
			}
		}
		now := digest.FromBytes(raw)
		if now != old {
			moved[old] = now
		}
		if !seen[now] {
			seen[now] = true
			out.Def = append(out.Def, raw)
		}
	}
	for d, md := range def.Metadata {
		out.Metadata[cmp.Or(moved[d], d)] = md
	}
	if def.Source != nil {
		out.Source = &pb.Source{Infos: def.Source.Infos, Locations: map[string]*pb.Locations{}}
		for d, at := range def.Source.Locations {
			out.Source.Locations[string(cmp.Or(moved[digest.Digest(d)], digest.Digest(d)))] = at
		}
	}
	return out, nil
}

// own gives the build's own steps the names of its secrets and SSH agents, mounts the wrapper of go where the plan wants it, and
// sees that none of them has a privilege that the build file does not ask for. What came in by links was treated when the linked build was converted.
func (b *build) own() error {
	linked := map[digest.Digest]bool{}
	for _, l := range b.links {
		for _, raw := range l.def.Def {
			linked[digest.FromBytes(raw)] = true
		}
		b.entitlements = append(b.entitlements, l.entitlements...)
	}
	b.entitlements = append(b.entitlements, b.asksFor()...)
	slices.Sort(b.entitlements)
	b.entitlements = slices.Compact(b.entitlements)
	renamed := false
	def, err := rewriteOps(b.def, func(d digest.Digest, op *pb.Op) (bool, error) {
		if linked[d] {
			return false, nil
		}
		if err := b.mayRun(d, op); err != nil {
			return false, err
		}
		changed := b.rename(op)
		renamed = renamed || changed
		return changed, nil
	})
	if err != nil || !renamed && len(b.file.plan.Wrapped) == 0 {
		return err
	}
	b.def = def
	if err := b.wrap(linked); err != nil {
		return err
	}
	st, err := llb.NewDefinitionOp(b.def.ToPB())
	if err != nil {
		return err
	}
	b.result.state = llb.NewState(st)
	return nil
}

// asksFor lists the privileges that the build file asks for.
func (b *build) asksFor() []string {
	out := slices.Clone(b.Values.Entitlements)
	if b.Values.Network == "host" {
		out = append(out, "network.host")
	}
	return out
}

// rename puts the plan's names in place of ids.
func (b *build) rename(op *pb.Op) bool {
	changed := false
	set := func(id *string, names map[string]string) {
		if n, ok := names[*id]; ok {
			*id, changed = n, true
		}
	}
	if e := op.GetExec(); e != nil {
		for _, m := range e.Mounts {
			if m.SecretOpt != nil {
				set(&m.SecretOpt.ID, b.SecretNames)
			}
			if m.SSHOpt != nil {
				m.SSHOpt.ID = cmp.Or(m.SSHOpt.ID, sshforward.DefaultID) // as the daemon reads it
				set(&m.SSHOpt.ID, b.SSHNames)
			}
		}
		for _, s := range e.Secretenv {
			set(&s.ID, b.SecretNames)
		}
	}
	if s := op.GetSource(); s != nil {
		for _, key := range []string{pb.AttrAuthTokenSecret, pb.AttrAuthHeaderSecret, pb.AttrHTTPAuthHeaderSecret} {
			if v, ok := s.Attrs[key]; ok {
				set(&v, b.SecretNames)
				s.Attrs[key] = v
			}
		}
		if v, ok := s.Attrs[pb.AttrMountSSHSock]; ok {
			set(&v, b.SSHNames)
			s.Attrs[pb.AttrMountSSHSock] = v
		}
	}
	return changed
}

// mayRun refuses a step with a privilege that the target does not ask for, although another target of the run may.
func (b *build) mayRun(d digest.Digest, op *pb.Op) error {
	e := op.GetExec()
	if e == nil {
		return nil
	}
	refuse := func(name, flag string) error {
		err := fmt.Errorf("%s needs the entitlement %s, which target %s does not ask for; add entitlements = [%q] to it", flag, name, b.Target, name)
		if first, last := b.lines(b.def, d); first > 0 {
			err = parser.WithLocation(err, []parser.Range{{Start: parser.Position{Line: first}, End: parser.Position{Line: last}}})
		}
		return err
	}
	asks := b.asksFor()
	switch {
	case e.Network == pb.NetMode_HOST && !slices.Contains(asks, "network.host"):
		return refuse("network.host", "RUN --network=host")
	case e.Security == pb.SecurityMode_INSECURE && !slices.Contains(asks, "security.insecure"):
		return refuse("security.insecure", "RUN --security=insecure")
	case len(e.CdiDevices) > 0 && !slices.ContainsFunc(asks, func(s string) bool { return s == "device" || strings.HasPrefix(s, "device=") }):
		return refuse("device", "RUN --device")
	}
	return nil
}
