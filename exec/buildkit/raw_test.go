package buildkit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/mask"
	"github.com/xbuild/xbuild/plan"
)

// rawSteps collects what is passed on.
func rawSteps(words ...string) (*steps, *[]*client.SolveStatus) {
	p := &private{hidden: mask.Exactly(words...)}
	s := newSteps(&plan.Plan{}, func(exec.Event) {})
	s.hide = p.hide
	var got []*client.SolveStatus
	s.raw = func(m *client.SolveStatus) { got = append(got, m) }
	return s, &got
}

// A secret is in no part of BuildKit's own stream, not even if it arrives in two pieces or an error repeats it.
func TestRawStreamHidesSecrets(t *testing.T) {
	s, got := rawSteps("hunter22")
	d := digest.FromString("step")
	began, ended := time.Unix(1, 0), time.Unix(2, 0)
	s.update(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: d, Name: "RUN x", Started: &began}},
		Logs: []*client.VertexLog{{Vertex: d, Stream: 2, Data: []byte("it is hun"), Timestamp: began}}})
	s.update(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: d, Stream: 2, Data: []byte("ter22\nand hunt"), Timestamp: began}}})
	s.update(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: d, Name: "RUN x", Started: &began, Completed: &ended, Error: "hunter22 is wrong"}},
		Statuses: []*client.VertexStatus{{ID: "pulling", Vertex: d, Current: 3}}})
	var log bytes.Buffer
	for _, m := range *got {
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "hunter22") {
			t.Errorf("the secret is in %s", text)
		}
		for _, l := range m.Logs {
			if l.Vertex != d || l.Stream != 2 {
				t.Errorf("a log of %s, stream %d", l.Vertex, l.Stream)
			}
			log.Write(l.Data)
		}
	}
	if want := "it is ***\nand hunt"; log.String() != want {
		t.Errorf("the log is %q, want %q", log.String(), want)
	}
	last := (*got)[len(*got)-1]
	if last.Vertexes[0].Error != "*** is wrong" || len(last.Statuses) != 1 {
		t.Errorf("the last message is %+v", last)
	}
}

// Of a request for a result only what is new is passed on: its other steps did not run again.
func TestRawStreamOfAnExport(t *testing.T) {
	s, got := rawSteps()
	d, export := digest.FromString("step"), digest.FromString("export")
	at := time.Unix(1, 0)
	s.update(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: d, Started: &at, Completed: &at}}})
	*got = nil
	s.passOnNew(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: d, Cached: true, Started: &at, Completed: &at}},
		Statuses: []*client.VertexStatus{{ID: "x", Vertex: d}}, Warnings: []*client.VertexWarning{{Vertex: d}}})
	if len(*got) > 0 {
		t.Errorf("passed on: %+v", (*got)[0])
	}
	s.passOnNew(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: export, Name: "exporting"}, {Digest: d, Cached: true}},
		Statuses: []*client.VertexStatus{{ID: "layers", Vertex: export}}, Logs: []*client.VertexLog{{Vertex: export, Data: []byte("l")}}})
	if len(*got) != 1 || len((*got)[0].Vertexes) != 1 || len((*got)[0].Statuses) != 1 || len((*got)[0].Logs) != 1 {
		t.Fatalf("passed on: %+v", *got)
	}
	names := func(v *client.Vertex) bool { return v.Name == "exporting" }
	if !slices.ContainsFunc((*got)[0].Vertexes, names) {
		t.Error("the export is missing")
	}
}
