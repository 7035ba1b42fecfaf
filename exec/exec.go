// Package exec runs a plan and tells what happens: the events, the outcome of every stage and the final report.
//
// In: a [plan.Plan] and a [Backend] that can talk to BuildKit. Out: a stream of [Event] while it runs and a [Report] at the end.
// Promised: every stage of the plan has exactly one [Outcome]; a failure is reported once, with everything it stopped;
// nothing is written to a destination unless all of the run's builds succeeded. Start with [Start].
//
// The package knows nothing of BuildKit; exec/buildkit is the backend that does.
package exec

import (
	"context"
	"encoding/json"
	"io/fs"
	"time"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

// Backend runs plans on one BuildKit node.
type Backend interface {
	// Node describes the node, as the planner needs it.
	Node(ctx context.Context) (plan.NodeFact, error)
	// Images resolves references to what is known of them. A reference that cannot be resolved has Err set.
	Images(ctx context.Context, refs []string) (map[string]plan.Image, error)
	// Run executes the plan. It calls emit from any goroutine, and not after it returned. A *Failure in the error's
	// chain says which stage failed.
	Run(ctx context.Context, p *plan.Plan, opt Options, emit func(Event)) (*Result, error)
	// Call asks the Dockerfiles of targets that have a Call what it says, in place of building them.
	Call(ctx context.Context, p *plan.Plan, opt Options) ([]Answer, error)
	Close() error
}

// Options of one run.
type Options struct {
	// NoCache runs every step again.
	NoCache bool
	// Parallel bounds how many builds are solved at once; 0 means no bound.
	Parallel int
	// KeepGoing lets independent builds finish after a failure.
	KeepGoing bool
	// Reading is called before the run reads a context, and Read when it has read all of them for the last time. In between
	// the run itself neither makes nor removes anything in a context. Either may be nil.
	Reading, Read func()
	// Status is given every message of BuildKit's own status stream as one line of JSON without the line's end, in the form
	// of docker buildx's --progress rawjson. The values of secrets are taken out. It is called by one goroutine at a time,
	// and not after the run returned. Nil if nobody wants it.
	Status func(line []byte)
	// Provenance says how much to tell of how each target was made: [ProvenanceMin], [ProvenanceMax], or "" for nothing.
	Provenance string
	// History lets the daemon keep a record of each image and archive, which docker buildx history lists. Of builds with secrets it
	// keeps none, as a record has the log.
	History bool
	// NoPolicies builds without the policies in Rego that remote contexts have; otherwise such a build is refused.
	NoPolicies bool
}

// The values of Options.Provenance, as docker buildx has them.
const (
	ProvenanceMin = "min" // what was built from what
	ProvenanceMax = "max" // the steps and times too
)

// Record is what the daemon has recorded of a target.
type Record struct {
	Target string
	// Ref names the record to docker buildx; empty if it knows no builder for the daemon.
	Ref string
	// Provenance is a predicate of SLSA 0.2, by platform; of a target that is built for one platform the key is "".
	Provenance map[string]json.RawMessage
}

// Result is what a backend made.
type Result struct {
	Builds  []BuildResult
	Outputs []OutputResult
	// Images are the digests of the base images that were used, by full reference ("docker.io/library/alpine:3.22").
	Images map[string]string
	// Missing are the failures that the run can do without: they stopped optional platforms only.
	Missing []*Failure
	// Records are one a target, if they were asked for.
	Records []Record
	// Caches are the descriptors, in JSON, of the manifests of caches that were written, by target; of several of one target the last.
	Caches map[string]string
	// Warnings are about results that were written all the same.
	Warnings []Warning
}

// Warning is something about a result that its user should look at.
type Warning struct {
	Target, Platform string
	Text             string // a sentence without a full stop
}

// Answer is what the Dockerfile of a target says of itself.
type Answer struct {
	Target, Call, Dockerfile string
	// Text is for people, JSON in BuildKit's form.
	Text string
	JSON json.RawMessage
	// Status is 0 if all is well.
	Status int
}

// BuildResult tells how one build was solved.
type BuildResult struct {
	Target, Platform string
	// Path is "client" if the Dockerfile was converted here, "server" if the daemon's frontend did it; Why says why.
	Path, Why string
	// Fallback says which file of a stage that the plan crossed on the evidence of its result was for another machine, so that the
	// build was made in the alternative way that the plan holds. Empty if it was not.
	Fallback string
}

// OutputResult is one output that was written.
type OutputResult struct {
	Target string `json:"target"`
	Type   string `json:"type"`
	// Dest is a directory, an archive or an image reference.
	Dest   string `json:"dest"`
	Digest string `json:"digest,omitempty"` // of the index or manifest
	// Of an image: its names, the digest of its configuration if it is for one platform, its descriptor as BuildKit gives
	// it, and the digest of each platform's manifest.
	Names      []string          `json:"names,omitempty"`
	Config     string            `json:"config,omitempty"`
	Descriptor json.RawMessage   `json:"descriptor,omitempty"`
	Platforms  map[string]string `json:"platforms,omitempty"`
	// Files is how many a directory has; Bytes is the size of a directory, an archive, or an image as it is stored in a registry.
	Files int   `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// Unchanged says that every file was already there, with the same content.
	Unchanged bool `json:"unchanged,omitempty"`
	// Notes are sentences about the files of a directory that are worth knowing.
	Notes []string `json:"notes,omitempty"`
	// Written are the files of a local output, and its directories, the one that they all are in among them.
	Written []Written `json:"-"`
}

// Written is a file, link or directory of a local output that is in place now.
type Written struct {
	Platform string // of the build that it comes from
	Path     string
	Folder   bool
	// Info is what was seen of a file or link right after it was put there.
	Info fs.FileInfo
}

// EventType says what an event is about.
type EventType string

// The events.
const (
	StepStarted EventType = "step-started"
	StepDone    EventType = "step-done"
	StepLog     EventType = "step-log"
	Exporting   EventType = "exporting" // results are being written or pushed
	Message     EventType = "message"   // a remark of the run as a whole
)

// Event is one thing that happened. Stages holds the ids of all stage instances the step belongs to; it is empty for a
// step outside every stage (reading a context, resolving an image).
type Event struct {
	Type   EventType
	Time   time.Time
	Stages []string
	// Step identifies a step within the run, Name is its text ("RUN go build ..."), Line its place in the user's Dockerfile.
	Step, Name string
	Line       int
	// Cached and Err are set on StepDone. Err is empty on success.
	Cached bool
	Err    string
	// Data is log output, in chunks as they arrive.
	Data []byte
	// Started is when the step began running, on StepDone.
	Started time.Time
}

// FailureKind classifies why a run failed.
type FailureKind string

// The kinds of failure.
const (
	StepFailed   FailureKind = "step-failed"   // a RUN exited with an error
	DaemonLost   FailureKind = "daemon-lost"   // BuildKit went away
	DiskFull     FailureKind = "disk-full"     // BuildKit's store is full
	Registry     FailureKind = "registry"      // a registry refused or could not be reached
	Unauthorized FailureKind = "unauthorized"  // a registry wants other credentials
	OutputFailed FailureKind = "output-failed" // a destination could not be written
	BuildFailed  FailureKind = "build-failed"  // anything else that BuildKit refused

	// PolicyUnsupported is a build with a policy that cannot be evaluated: nothing of it was built.
	PolicyUnsupported FailureKind = "policy-not-supported"
)

// FailureKinds lists the kinds of failure.
func FailureKinds() []FailureKind {
	return []FailureKind{StepFailed, DaemonLost, DiskFull, Registry, Unauthorized, OutputFailed, BuildFailed, PolicyUnsupported}
}

// Failure is one cause that stopped part of a run. It is an error.
type Failure struct {
	Kind FailureKind
	// Stage is the id of the stage that failed; empty if none can be named.
	Stage string
	// Uses are the targets and platforms it stopped, in plan order. The backend names those it saw, [Start] completes
	// them from the plan.
	Uses []plan.Use
	// Step is the failed step's text, At its place in the user's Dockerfile, Source that file's text. Of a stage that a strategy
	// block vouches for wrongly, At is the block, and Source is nil.
	Step   string
	At     *diag.Range
	Source []byte
	// ExitCode of the step, if Kind is StepFailed.
	ExitCode int
	// Log is the last lines that the step printed, and LogLines is how many it printed in all.
	Log      []string
	LogLines int
	// Hint says what to do; may be empty.
	Hint string
	Err  error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// State is how a stage ended.
type State string

// The outcomes.
const (
	Done      State = "done"
	CachedOut State = "cached"    // every step came from the cache
	Unchanged State = "unchanged" // it did not have to be looked at
	Failed    State = "failed"
	Skipped   State = "skipped"  // something it needs failed
	Canceled  State = "canceled" // the run ended first
)

// Outcome is the end of one stage.
type Outcome struct {
	Stage    string
	State    State
	Duration time.Duration // from the beginning of its first step to the end of its last one
	// Busy is how long its steps ran, added up. A step of several stages counts for each of them.
	Busy time.Duration
	// Cause is the id of the failed stage, for Skipped.
	Cause string
}

// Report is everything there is to say about a finished run.
type Report struct {
	Outcomes []Outcome // in plan order, one a stage
	Builds   []BuildResult
	Outputs  []OutputResult
	Images   map[string]string // as in [Result]
	Records  []Record          // as in [Result]
	Caches   map[string]string // as in [Result]
	Failures []*Failure
	// Missing are the failures that stopped optional platforms only; Uses names these. They are no reason for Err.
	Missing  []*Failure
	Warnings []Warning // as in [Result]
	Wall     time.Duration
	// Interrupted is set if the context ended the run.
	Interrupted bool
	Err         error // nil on success
}
