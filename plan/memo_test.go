package plan

import (
	"slices"
	"testing"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
)

const stagesFile = `ARG V=1
FROM alpine AS base
FROM base AS one
COPY a /
FROM base AS two
ARG V
RUN make $V
FROM scratch AS three
COPY --from=one /a /
COPY --from=two /b /
`

// TestMemo: a graph that was kept is the graph that a fresh look gives, for every stage, and other values give another one.
func TestMemo(t *testing.T) {
	f, d := dockerfile.Parse("Dockerfile", []byte(stagesFile))
	if d.HasErrors() {
		t.Fatal(d)
	}
	p := newPlanner(&schema.Config{}, Request{}, Facts{})
	amd64 := schema.Platform{OS: "linux", Arch: "amd64"}
	for _, args := range []map[string]string{nil, {"V": "2"}, nil} {
		for _, stage := range []string{"one", "two", "three", "base", "", "1", "one"} {
			env := dockerfile.Env{Build: amd64, Target: amd64, Stage: stage, Args: args}
			got, _ := p.resolveOnce(f, env)
			want, d := f.Resolve(env)
			if d.HasErrors() {
				t.Fatal(d)
			}
			if got.Result.ID != want.Result.ID || got.Result.Index != want.Result.Index || !slices.Equal(got.Reached, want.Reached) {
				t.Errorf("stage %q with %v: %s %v, want %s %v", stage, args, got.Result.ID, got.Reached, want.Result.ID, want.Reached)
			}
		}
	}
	if len(p.graphs) != 2 {
		t.Errorf("%d graphs are kept, want 2", len(p.graphs))
	}
	if _, d := p.resolveOnce(f, dockerfile.Env{Build: amd64, Target: amd64, Stage: "none"}); !d.HasErrors() {
		t.Error("a stage that is not there is no error")
	}
}

// TestMemoSeesStage: a file that looks at the stage which is asked for has a graph of its own for each.
func TestMemoSeesStage(t *testing.T) {
	f, d := dockerfile.Parse("Dockerfile", []byte("FROM scratch AS a\nARG TARGETSTAGE\nRUN echo $TARGETSTAGE\nFROM a AS b\n"))
	if d.HasErrors() {
		t.Fatal(d)
	}
	p := newPlanner(&schema.Config{}, Request{}, Facts{})
	amd64 := schema.Platform{OS: "linux", Arch: "amd64"}
	a, _ := p.resolveOnce(f, dockerfile.Env{Build: amd64, Target: amd64, Stage: "a"})
	b, _ := p.resolveOnce(f, dockerfile.Env{Build: amd64, Target: amd64, Stage: "b"})
	if a.Nodes[0].ID == b.Nodes[0].ID {
		t.Error("the stage a has one key for both targets")
	}
}
