package buildkit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"google.golang.org/protobuf/proto"

	"github.com/xbuild/xbuild/internal/regular"
)

// SourcePolicy says which sources a build may use, and in place of which it uses others. Nil is no policy.
type SourcePolicy struct {
	policy *spb.Policy
	id     string
}

// ReadSourcePolicy reads a policy of BuildKit, as JSON or, if it is not that, as protobuf. What is neither is an error, as is a
// policy with fields that are not known: a build without it would use what the policy is there to refuse.
func ReadSourcePolicy(path string) (*SourcePolicy, error) {
	text, err := regular.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	out := &SourcePolicy{id: hex.EncodeToString(sum[:]), policy: &spb.Policy{}}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	jsonErr := dec.Decode(out.policy)
	if jsonErr == nil && dec.More() {
		jsonErr = errors.New("there is something after the policy")
	}
	if jsonErr == nil {
		return out, nil
	}
	out.policy = &spb.Policy{}
	// Many texts are protobuf of something else, and no text at all is an empty policy.
	if err := proto.Unmarshal(text, out.policy); err != nil || len(out.policy.Rules) == 0 || len(out.policy.ProtoReflect().GetUnknown()) > 0 {
		return nil, fmt.Errorf("neither JSON (%w) nor protobuf of a source policy", jsonErr)
	}
	return out, nil
}

// ID identifies the text of the policy; empty if there is none.
func (p *SourcePolicy) ID() string {
	if p == nil {
		return ""
	}
	return p.id
}

// build asks the daemon for a build. Nothing else than this and [Backend.solveControl] does, so that no request leaves without the
// source policy: the daemon applies it to all that the build resolves and solves.
func (b *Backend) build(ctx context.Context, opt client.SolveOpt, f gateway.BuildFunc, status chan *client.SolveStatus) (*client.SolveResponse, error) {
	if p := b.opt.SourcePolicy; p != nil {
		opt.SourcePolicy = p.policy
	}
	return b.client.Build(ctx, opt, product, f, status)
}

// solveControl is build for a request that the client library cannot make.
func (b *Backend) solveControl(ctx context.Context, req *controlapi.SolveRequest) (*controlapi.SolveResponse, error) {
	if p := b.opt.SourcePolicy; p != nil {
		req.SourcePolicy = p.policy
	}
	return b.client.ControlClient().Solve(ctx, req)
}
