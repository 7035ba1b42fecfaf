package buildkit

import (
	"context"
	"slices"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	digest "github.com/opencontainers/go-digest"
)

// passOn hands a message of the hub's status stream to whoever wants BuildKit's own. Logs are those that the events tell of,
// since secrets are taken out of them.
func (s *steps) passOn(m *client.SolveStatus) {
	out := &client.SolveStatus{Vertexes: s.withoutSecrets(m.Vertexes), Statuses: m.Statuses, Logs: s.said, Warnings: m.Warnings}
	s.said = nil
	if len(out.Vertexes)+len(out.Statuses)+len(out.Logs)+len(out.Warnings) > 0 {
		s.raw(out)
	}
}

// passOnNew does so for a request that makes a result of steps which are known: of these it says only that they are
// cached, which is not what happened in the run. Its warnings are about how xbuild asks, and no help to anybody.
func (s *steps) passOnNew(m *client.SolveStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := func(d digest.Digest) bool { return s.known[d] != nil }
	out := &client.SolveStatus{}
	for _, v := range s.withoutSecrets(m.Vertexes) {
		if !known(v.Digest) {
			out.Vertexes = append(out.Vertexes, v)
		}
	}
	for _, v := range m.Statuses {
		if !known(v.Vertex) {
			out.Statuses = append(out.Statuses, v)
		}
	}
	for _, l := range m.Logs {
		if !known(l.Vertex) {
			c := *l
			if s.hide != nil {
				c.Data, _ = s.hide(nil, l.Data, true)
			}
			out.Logs = append(out.Logs, &c)
		}
	}
	if len(out.Vertexes)+len(out.Statuses)+len(out.Logs) > 0 {
		s.raw(out)
	}
}

// withoutSecrets takes secrets out of what steps failed with.
func (s *steps) withoutSecrets(vertexes []*client.Vertex) []*client.Vertex {
	if s.hide == nil || !slices.ContainsFunc(vertexes, func(v *client.Vertex) bool { return v.Error != "" }) {
		return vertexes
	}
	out := slices.Clone(vertexes)
	for i, v := range out {
		if v.Error != "" {
			c := *v
			text, _ := s.hide(nil, []byte(v.Error), true)
			c.Error, out[i] = string(text), &c
		}
	}
	return out
}

// request makes a result of builds that were solved. Nobody is told of its steps, except of the exporter's in BuildKit's own
// stream.
func (r *run) request(ctx context.Context, opt client.SolveOpt, f gateway.BuildFunc) (*client.SolveResponse, error) {
	if r.steps.raw == nil {
		return r.build(ctx, opt, f, nil)
	}
	status, drained := make(chan *client.SolveStatus), make(chan struct{})
	go func() {
		defer close(drained)
		for m := range status {
			r.steps.passOnNew(m)
		}
	}()
	resp, err := r.build(ctx, opt, f, status)
	<-drained
	return resp, err
}
