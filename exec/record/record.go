// Package record keeps what runs did: which stage ran where, how, and for how long.
//
// In: a plan and the report of its run. Out: one file a run in the state directory, and the records again, newest first. Promised: a
// record is written in one step and holds no value of an argument, a secret or an environment variable, and no output of a step; the
// store is bounded; a file that this version cannot read is left alone and out. Start with [Of] and [Store].
package record

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/atomicfile"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/plan"
)

// Version is the version of the form of records. Keys are added without a new one.
const Version = 1

// Run is the record of one run.
type Run struct {
	Version int `json:"version"`
	// Began is when the run began, Seconds how long it took.
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// Result is "done", "failed" or "interrupted".
	Result  string   `json:"result"`
	Stages  []Stage  `json:"stages"`
	Outputs []Output `json:"outputs"`
}

// Stage is one stage of the plan. Stages of which nothing runs are left out.
type Stage struct {
	// ID is the stage's logical key: a hash over what its steps and inputs are, equal in all runs of equal work.
	ID string `json:"id"`
	// Stage is its name in the Dockerfile, Targets the names of those that use it.
	Stage   string   `json:"stage"`
	Targets []string `json:"targets"`
	// Node and Platform are where it ran, Kind is how, as in the plan.
	Node     string `json:"node"`
	Platform string `json:"platform"`
	Kind     string `json:"kind"`
	// State is its outcome, Cached that every step came from the cache.
	State  string `json:"state"`
	Cached bool   `json:"cached"`
	// Seconds is how long its steps ran, added up, and Wall how long it was from the first to the last one.
	Seconds float64 `json:"seconds"`
	Wall    float64 `json:"wall"`
}

// Output is a result that was written.
type Output struct {
	Target string `json:"target"`
	Type   string `json:"type"`
	Bytes  int64  `json:"bytes"`
}

// Of makes the record of a run of a plan that began at a time.
func Of(p *plan.Plan, rep *exec.Report, began time.Time) *Run {
	r := &Run{Version: Version, Began: began.UTC(), Seconds: rep.Wall.Seconds(), Result: "done", Stages: []Stage{}, Outputs: []Output{}}
	switch {
	case rep.Interrupted:
		r.Result = "interrupted"
	case rep.Err != nil:
		r.Result = "failed"
	}
	for _, o := range rep.Outcomes {
		s := p.Stage(o.Stage)
		if s == nil || len(s.Placements) == 0 {
			continue
		}
		st := Stage{ID: s.ID, Stage: s.Stage, Targets: []string{}, Node: s.Placements[0].Node, Platform: s.Placements[0].Platform, Kind: string(s.Kind),
			State: string(o.State), Cached: o.State == exec.CachedOut, Seconds: o.Busy.Seconds(), Wall: o.Duration.Seconds()}
		for _, u := range s.For {
			if !slices.Contains(st.Targets, u.Target) {
				st.Targets = append(st.Targets, u.Target)
			}
		}
		r.Stages = append(r.Stages, st)
	}
	for _, o := range rep.Outputs {
		r.Outputs = append(r.Outputs, Output{Target: o.Target, Type: o.Type, Bytes: o.Bytes})
	}
	return r
}

// Store is the records below a state directory.
type Store struct {
	dir string
	// The bounds: when one is passed the oldest records go.
	maxRuns  int
	maxBytes int64
}

// Bounds of a store.
const (
	MaxRuns  = 200
	MaxBytes = 32 << 20
)

// NewStore is the store below a state directory, which need not exist.
func NewStore(state string) *Store {
	return &Store{dir: filepath.Join(state, "runs"), maxRuns: MaxRuns, maxBytes: MaxBytes}
}

// suffix is that of the names of records. A name begins with the time, so that names are in the order of the runs.
const suffix = ".json"

// Add writes a record, and removes the oldest ones beyond the bounds of the store.
func (s *Store) Add(r *Run) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails
	name := r.Began.UTC().Format("20060102T150405.000000000Z") + "-" + hex.EncodeToString(random) + suffix
	if err := atomicfile.Write(filepath.Join(s.dir, name), append(text, '\n'), 0o600); err != nil {
		return err
	}
	return s.trim()
}

// unfinished is the age of a temporary file that nobody writes any more.
const unfinished = time.Hour

// trim removes the oldest records beyond the bounds, and what runs left that were killed while they wrote a record. A file that
// another run removes at the same time is gone.
func (s *Store) trim() error {
	names, err := s.names()
	if err != nil {
		return err
	}
	left, _ := filepath.Glob(filepath.Join(s.dir, ".*"+suffix+".new-*")) // the pattern is well formed
	for _, path := range left {
		if st, err := os.Lstat(path); err == nil && time.Since(st.ModTime()) > unfinished {
			_ = os.Remove(path) // the next run tries again
		}
	}
	var bytes int64
	for i, name := range names {
		st, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			continue
		}
		if bytes += st.Size(); i > 0 && (i >= s.maxRuns || bytes > s.maxBytes) {
			if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// names are the names of the records, newest first.
func (s *Store) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range slices.Backward(entries) {
		if strings.HasSuffix(e.Name(), suffix) && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// Runs gives the newest records first, until yield returns false. Files that are no records of this version are left out.
func (s *Store) Runs(yield func(*Run) bool) {
	names, _ := s.names() // what cannot be listed is not there
	for _, name := range names {
		text, err := regular.ReadFile(filepath.Join(s.dir, name))
		var r Run
		if err != nil || json.Unmarshal(text, &r) != nil || r.Version != Version {
			continue
		}
		if !yield(&r) {
			return
		}
	}
}
