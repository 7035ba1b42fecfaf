package record

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

func TestOf(t *testing.T) {
	p := &plan.Plan{Stages: []plan.Stage{
		{ID: "aa", Stage: "build", Kind: plan.Cross, Placements: []plan.Placement{{Node: "hub", Platform: "linux/amd64"}},
			For: []plan.Use{{Target: "app", Platform: "linux/amd64"}, {Target: "app", Platform: "linux/arm64"}, {Target: "other", Platform: "linux/amd64"}}},
		{ID: "bb", Stage: "final", Kind: plan.Assembled},
		{ID: "cc", Stage: "web", Kind: plan.Shared, Placements: []plan.Placement{{Node: "hub", Platform: "linux/amd64"}}},
	}}
	rep := &exec.Report{Wall: 3 * time.Second, Outcomes: []exec.Outcome{{Stage: "aa", State: exec.Done, Duration: 2 * time.Second, Busy: time.Second}, {Stage: "bb", State: exec.Done},
		{Stage: "cc", State: exec.CachedOut}}, Outputs: []exec.OutputResult{{Target: "app", Type: "local", Dest: "/secret/place", Bytes: 7}}}
	began := time.Unix(1, 0).UTC()
	want := &Run{Version: 1, Began: began, Seconds: 3, Result: "done", Stages: []Stage{
		{ID: "aa", Stage: "build", Targets: []string{"app", "other"}, Node: "hub", Platform: "linux/amd64", Kind: "cross", State: "done", Seconds: 1, Wall: 2},
		{ID: "cc", Stage: "web", Targets: []string{}, Node: "hub", Platform: "linux/amd64", Kind: "shared", State: "cached", Cached: true},
	}, Outputs: []Output{{Target: "app", Type: "local", Bytes: 7}}}
	if got := Of(p, rep, began); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	rep.Err = os.ErrInvalid
	if got := Of(p, rep, began).Result; got != "failed" {
		t.Errorf("a failed run is %q", got)
	}
	if rep.Interrupted = true; Of(p, rep, began).Result != "interrupted" {
		t.Error("an interrupted run is not said to be one")
	}
}

func all(s *Store) []*Run {
	return slices.Collect(s.Runs)
}

// TestStore: records come back newest first, within the bounds, whatever else is in the directory.
func TestStore(t *testing.T) {
	state := t.TempDir()
	s := NewStore(state)
	if got := all(s); len(got) != 0 {
		t.Fatalf("an empty store has %d records", len(got))
	}
	s.maxRuns = 5
	for i := range 9 {
		if err := s.Add(&Run{Version: Version, Began: time.Unix(int64(i), 0), Result: "done"}); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"zz.json": "{", "zy.json": `{"version":99}`, "note.txt": "x", ".half.json.new-1": "{"} {
		if err := os.WriteFile(filepath.Join(state, "runs", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []int64
	for _, r := range all(s) {
		got = append(got, r.Began.Unix())
	}
	if want := []int64{8, 7, 6, 5, 4}; !slices.Equal(got, want) {
		t.Errorf("records of %v, want %v", got, want)
	}
	half := filepath.Join(state, "runs", ".half.json.new-1")
	if err := os.Chtimes(half, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(&Run{Version: Version, Began: time.Unix(0, 0), Result: "done"})
	s.maxRuns, s.maxBytes = 100, int64(4*len(one))
	if err := s.Add(&Run{Version: Version, Began: time.Unix(10, 0), Result: "done"}); err != nil {
		t.Fatal(err)
	}
	if n := len(all(s)); n < 1 || n > 4 {
		t.Errorf("%d records are more bytes than the bound, or none", n)
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("a file of a run that was killed long ago is still there")
	}
	if st, err := os.Stat(filepath.Join(state, "runs")); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v (%v)", st.Mode(), err)
	}
}

// TestStoreAtOnce: runs that end at the same time are all recorded.
func TestStoreAtOnce(t *testing.T) {
	s := NewStore(t.TempDir())
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if err := s.Add(&Run{Version: Version, Began: time.Unix(1, 0)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := len(all(s)); n != 50 {
		t.Errorf("%d records of 50 runs", n)
	}
}
