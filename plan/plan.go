package plan

import (
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// Version of the plan's JSON form. Additive changes keep it.
const Version = 1

// Plan says what runs where and why. Its JSON form is a public format: all keys are always there, in this order.
type Plan struct {
	Version     int          `json:"version"`
	Targets     []Target     `json:"targets"`     // in the order of the build file
	Dockerfiles []Dockerfile `json:"dockerfiles"` // in the order of first use
	Facts       FactsUsed    `json:"facts"`
	Stages      []Stage      `json:"stages"` // needs before users
	// Suggestions are strategy blocks that would spare stages the emulation, if what they vouch for is true.
	Suggestions []Suggestion `json:"suggestions"`
	// Alternative is what is built in place of a target on a platform if a stage that it uses, of the evidence [Checked], makes files
	// for another machine: the same without such stages. It has those targets and platforms only, and lists as missing those that
	// have no other way. Nil if no stage is of that evidence.
	Alternative *Plan     `json:"alternative"`
	Counts      Counts    `json:"counts"`
	Diagnostics diag.List `json:"diagnostics"`

	// Builds is what the executor solves: one entry a target and platform. It holds values (arguments, folders) that
	// the public form leaves out.
	Builds []Build `json:"-"`
}

// Target is a requested target, or one that a requested target links to.
type Target struct {
	Name      string          `json:"name"`
	Platforms []string        `json:"platforms"`
	Strategy  schema.Strategy `json:"strategy"`
	Optional  []string        `json:"optional"` // platforms that the target is finished without if they fail
	Missing   []Missing       `json:"missing"`  // optional platforms that cannot be built
	Tags      []string        `json:"tags"`
	Outputs   []Output        `json:"outputs"`

	// Requested is false for a target that is only linked to by another one; its outputs are not written.
	Requested bool `json:"-"`
	// Declared is how many platforms the build file gives the target. Several make one folder a platform, even when
	// this run builds one of them.
	Declared int `json:"-"`
	// Bake says that the target is of Bake's files, whose local outputs keep the setuid and setgid bits.
	Bake bool `json:"-"`
	// Range is the header of the target in the build file.
	Range diag.Range `json:"-"`
	// StrategyAt is the header of the strategy block that Strategy names; nil if it names a mode.
	StrategyAt *diag.Range `json:"-"`
}

// Missing is an optional platform that the plan leaves out.
type Missing struct {
	Platform string `json:"platform"`
	Code     string `json:"code"`
	Reason   string `json:"reason"`
}

// Output is one place for results.
type Output struct {
	Type     schema.OutputType `json:"type"`
	Dest     string            `json:"dest"`
	Platform string            `json:"platform,omitempty"`

	Push  bool              `json:"-"`
	Attrs map[string]string `json:"-"`
}

// Dockerfile is a file that the plan builds from.
type Dockerfile struct {
	ID     string `json:"id"` // d1, d2, ...
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	// Rewritten is the text used in place of the file, nil if the file is used as it is.
	Rewritten *string `json:"rewritten"`

	// Text is the user's own text.
	Text string `json:"-"`
	// Shown is the part of Rewritten that may stay in the file: without stages whose evidence is their result. Nil if there is none.
	Shown *string `json:"-"`
	// Wrapped are the lines of Rewritten of those RUN instructions for which a wrapper of the go command is mounted.
	Wrapped []int `json:"-"`
	// Built is the text to build: Rewritten with the recipe's cache mounts, line for line the same otherwise; "" if there are none.
	Built string `json:"-"`
	// Lines maps each line of Rewritten (index 0 is line 1) to the line of Text it stands for.
	Lines []int `json:"-"`
	// Frontend is empty if the text can be converted in the client, else the reason for the server's frontend.
	Frontend string `json:"-"`
}

// FactsUsed are the facts about the world that the plan stands on.
type FactsUsed struct {
	Nodes     []Node   `json:"nodes"`
	Emulators []string `json:"emulators"` // platforms that run under emulation on the hub node
	Images    []Image  `json:"images"`
}

// Node is a BuildKit worker.
type Node struct {
	Name      string   `json:"name"`
	Native    string   `json:"native"`    // BUILDPLATFORM of the node
	Platforms []string `json:"platforms"` // everything it lists, native ones first
	Assumed   bool     `json:"assumed"`   // nobody was asked; linux and this machine's architecture
}

// Image is what is known of a base image.
type Image struct {
	Ref       string   `json:"ref"`
	Digest    string   `json:"digest,omitempty"`
	Platforms []string `json:"platforms,omitempty"`

	// Single says that the reference names one image and no index: whatever platform is asked for, BuildKit takes it.
	Single bool `json:"-"`
	// Env, OnBuild and Workdir come from the image's configuration, for the build platform; nil if unknown.
	Env     []string `json:"-"`
	OnBuild []string `json:"-"`
	Workdir string   `json:"-"`
	// Err says why nothing else is known.
	Err string `json:"-"`
}

// Kind says how a stage runs; see the package documentation.
type Kind string

// The kinds of stages.
const (
	Shared    Kind = "shared"    // natively, once for all platforms
	Cross     Kind = "cross"     // natively, once a platform
	Native    Kind = "native"    // on a node that executes the platform itself
	Emulated  Kind = "emulated"  // under QEMU
	Assembled Kind = "assembled" // nothing runs: files and metadata only
	Opaque    Kind = "opaque"    // not analysable
)

// Evidence says why a rewrite is believed to be sound.
type Evidence string

// The grades of evidence.
const (
	Proven  Evidence = "proven"  // by the text of the Dockerfile
	Checked Evidence = "checked" // by the machine of the files that come out, when they are there
	Vouched Evidence = "vouched" // by the author of the build file
)

// Stage is one stage on one platform: the unit of scheduling, caching, failure and output.
type Stage struct {
	ID         string      `json:"id"`
	Dockerfile string      `json:"dockerfile"`
	Stage      string      `json:"stage"`
	Index      int         `json:"index"`
	Line       int         `json:"line"` // of the FROM, in the user's file
	For        []Use       `json:"for"`  // who uses this instance
	Kind       Kind        `json:"kind"`
	Code       string      `json:"code"`   // stable identifier of the reason
	Reason     string      `json:"reason"` // one sentence
	Evidence   *Evidence   `json:"evidence"`
	Tried      []Attempt   `json:"tried"`
	Placements []Placement `json:"placements"`
	Needs      []Need      `json:"needs"`
	Inputs     []Input     `json:"inputs"`
	ForksAt    *Fork       `json:"forks_at"`
	// Caches are the caches that the recipe adds for speed; they change nothing else and are in no diff.
	Caches []string `json:"caches"`

	// EndLine is the last line of the stage in the user's file.
	EndLine int `json:"-"`
}

// Use is one user of a stage instance.
type Use struct {
	Target   string `json:"target"`
	Platform string `json:"platform"`
}

// Attempt is a strategy that was considered and not taken.
type Attempt struct {
	Strategy schema.Strategy `json:"strategy"`
	Code     string          `json:"code"`
	Reason   string          `json:"reason"`
	At       string          `json:"at"` // Dockerfile:12
}

// Placement is a node that runs the stage, and the platform it runs it as.
type Placement struct {
	Node     string `json:"node"`
	Platform string `json:"platform"`
}

// Need is an edge of the graph.
type Need struct {
	ID   string `json:"id"`
	Via  string `json:"via"`  // from, copy, mount, context or order
	Line int    `json:"line"` // in the user's file
}

// Input is something that enters the graph from outside.
type Input struct {
	Kind   string `json:"kind"` // image, context, url or git
	Ref    string `json:"ref"`
	Digest string `json:"digest,omitempty"`
}

// Fork is the first step of a stage that differs between platforms, and what makes it differ.
type Fork struct {
	Line int    `json:"line"`
	By   string `json:"by"`
	// Variable is the name of the variable if By is one that the Dockerfile declares, in the line Declared; else "" and 0.
	Variable string `json:"variable"`
	Declared int    `json:"declared"`
	// Steps is how many steps the variable reaches. Shared of them would be the same for all platforms if it were declared below
	// the line MoveBelow; 0 if nothing is to be gained.
	Steps     int `json:"steps"`
	Shared    int `json:"shared"`
	MoveBelow int `json:"move_below"`
}

// Suggestion is a strategy block for the stages of a Dockerfile that are of a known kind, but of which nothing can be proven.
type Suggestion struct {
	Dockerfile string           `json:"dockerfile"` // id
	Targets    []string         `json:"targets"`    // that would use it
	Stages     []SuggestedStage `json:"stages"`
	// Checked says that the stages are cross-compiled as it is, and their results checked, which the block would make needless.
	Checked bool   `json:"checked"`
	Name    string `json:"name"`  // of the block
	Block   string `json:"block"` // for xbuild.hcl
}

// SuggestedStage is what one stage is, and what the block would vouch for.
type SuggestedStage struct {
	Stage  string `json:"stage"`
	Line   int    `json:"line"`
	Recipe string `json:"recipe"` // "Rust"
	Vouch  string `json:"vouch"`  // native or fork
	If     string `json:"if"`     // when it is true
}

// Counts sums the stages up by kind.
type Counts struct {
	Stages    int `json:"stages"`
	Shared    int `json:"shared"`
	Cross     int `json:"cross"`
	Native    int `json:"native"`
	Emulated  int `json:"emulated"`
	Assembled int `json:"assembled"`
	Opaque    int `json:"opaque"`
}

// Build is one target on one platform: what one solve produces.
type Build struct {
	Target   string
	Platform schema.Platform
	// Dockerfile is an id in Plan.Dockerfiles. Values are the build file's, for this platform.
	Dockerfile string
	Values     *schema.Build
	// Requested is false if only other targets use the result.
	Requested bool
	// Stages are the ids of every stage instance that the build uses, in the order of the Dockerfile's stages; ByIndex
	// finds one by the stage's index in the Dockerfile.
	Stages  []string
	ByIndex map[int]string
	// Result is the id of the stage whose files the target is; empty if opaque.
	Result string
	// Links are the targets that named contexts refer to, by context name.
	Links map[string]Use
	// After are targets whose builds come before this one, without a link. Concurrency bounds how many platforms of the
	// target are built at once; 0 means no bound.
	After       []string
	Concurrency int
	// Shares are this target and those that write to a place of it too, or of those, in the order of [Plan.Targets]; nil if
	// there are no others. Of what several write, that of the last one is kept, so all of them run if one does.
	Shares []string `json:",omitempty"`
	// SecretNames and SSHNames map the ids of secrets and SSH agents to the names under which this build knows them.
	// An id that is not there is its own name.
	SecretNames, SSHNames map[string]string
	// CacheFrom and CacheTo are the caches to read and to write, each where this target's part of it is.
	CacheFrom, CacheTo []schema.Cache
}

// Stage returns the stage instance of that id, or nil.
func (p *Plan) Stage(id string) *Stage {
	for i := range p.Stages {
		if p.Stages[i].ID == id {
			return &p.Stages[i]
		}
	}
	return nil
}

// Dockerfile returns the file of that id, or nil.
func (p *Plan) Dockerfile(id string) *Dockerfile {
	for i := range p.Dockerfiles {
		if p.Dockerfiles[i].ID == id {
			return &p.Dockerfiles[i]
		}
	}
	return nil
}

// Target returns the target of that name, or nil.
func (p *Plan) Target(name string) *Target {
	for i := range p.Targets {
		if p.Targets[i].Name == name {
			return &p.Targets[i]
		}
	}
	return nil
}
