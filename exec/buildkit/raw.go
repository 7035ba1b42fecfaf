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
	out := &client.SolveStatus{Vertexes: s.withoutSecrets(m.Vertexes), Statuses: s.withoutSecretsIn(m.Statuses), Logs: s.said, Warnings: s.warnings(m.Warnings)}
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
	for _, v := range s.withoutSecretsIn(m.Statuses) {
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

// withoutSecrets takes secrets and sensitive arguments out of what steps are called and failed with.
func (s *steps) withoutSecrets(vertexes []*client.Vertex) []*client.Vertex {
	return withoutHidden(s, vertexes, func(v *client.Vertex) { v.Name, v.Error = s.mask(v.Name), s.mask(v.Error) })
}

// withoutHidden gives copies of the elements of a list that edit has masked; without anything to hide, the list itself.
func withoutHidden[T any](s *steps, list []*T, edit func(*T)) []*T {
	if s.hide == nil {
		return list
	}
	out := slices.Clone(list)
	for i, v := range out {
		c := *v
		edit(&c)
		out[i] = &c
	}
	return out
}

// mask is a short text without secrets and sensitive arguments.
func (s *steps) mask(text string) string {
	if s.hide == nil || text == "" {
		return text
	}
	out, _ := s.hide(nil, []byte(text), true)
	return string(out)
}

// withoutSecretsIn does the same for the parts of steps, such as files that are sent.
func (s *steps) withoutSecretsIn(statuses []*client.VertexStatus) []*client.VertexStatus {
	return withoutHidden(s, statuses, func(v *client.VertexStatus) { v.ID, v.Name = s.mask(v.ID), s.mask(v.Name) })
}

// warnings are those of the frontend, without what is hidden.
func (s *steps) warnings(list []*client.VertexWarning) []*client.VertexWarning {
	return withoutHidden(s, list, func(w *client.VertexWarning) {
		w.Short, _ = s.hide(nil, w.Short, true)
		detail := w.Detail
		w.Detail = nil
		for _, d := range detail {
			d, _ = s.hide(nil, d, true)
			w.Detail = append(w.Detail, d)
		}
	})
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
