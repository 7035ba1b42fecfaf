// Package schema is the vocabulary of xbuild: what a build file says once it is read.
//
// In: nothing. Out: the types that the front end fills ([Config]), the planner reads and the executor reports on. The
// package has no behaviour beyond parsing and printing its own words ([ParsePlatform], [ParseOutput]). [Language] is the
// table of every block and attribute; decoder, --set, reference and completion are driven by it.
package schema

import (
	"slices"

	"github.com/xbuild/xbuild/schema/diag"
)

// Config is one build, read from one or more build files.
type Config struct {
	// Dir is the absolute folder of the first build file; everything printed is relative to it.
	Dir string
	// Files are the build files read, in the order of reading, as the user would name them.
	Files []string
	// Targets and Groups stand in source order; names are unique within each list.
	Targets []*Target
	Groups  []*Group
	// Variables are for display (`list`) and for provenance of values; the values are already used.
	Variables []Variable
	// Sources holds the text of every file read, so that later diagnostics can quote it.
	Sources diag.Sources
}

// Target returns the target of that name, or nil.
func (c *Config) Target(name string) *Target {
	if i := slices.IndexFunc(c.Targets, func(t *Target) bool { return t.Name == name }); i >= 0 {
		return c.Targets[i]
	}
	return nil
}

// Group returns the group of that name, or nil.
func (c *Config) Group(name string) *Group {
	if i := slices.IndexFunc(c.Groups, func(g *Group) bool { return g.Name == name }); i >= 0 {
		return c.Groups[i]
	}
	return nil
}

// Group is a name for several targets or groups.
type Group struct {
	Name        string
	Description string
	Members     []string
	Range       diag.Range
}

// Variable is an input of the build file.
type Variable struct {
	Name        string
	Description string
	Value       string // as text; empty for a sensitive one
	Source      string // "default", "environment" or "--var"
	Range       diag.Range
}

// Target is a thing to build: one stage of one Dockerfile, on one or more platforms.
type Target struct {
	Name        string
	Description string
	// Range is the header of the target's block.
	Range diag.Range
	// Platforms are the declared platforms in declared order, normalised, without repetition. Empty means the
	// platform of the node that builds.
	Platforms []Platform
	// Base holds the values that do not depend on the platform. Use [Target.On] to read values.
	Base Build
	// PerPlatform has a full Build for each declared platform if any attribute reads the platform object; else nil.
	PerPlatform map[Platform]*Build
	// Ranges locates each attribute that a build file set, by its name in the language, for later diagnostics.
	Ranges map[string]diag.Range
}

// On returns the values of the target for one platform.
func (t *Target) On(p Platform) *Build {
	if b := t.PerPlatform[p]; b != nil {
		return b
	}
	return &t.Base
}

// At returns the range of an attribute, or the header of the target when the build file does not set it.
func (t *Target) At(attribute string) *diag.Range {
	if r, ok := t.Ranges[attribute]; ok {
		return &r
	}
	r := t.Range
	return &r
}

// Build is what a target says about one platform.
type Build struct {
	// Context is an absolute folder, or a git or http URL that BuildKit reads.
	Context string
	// Contexts are named contexts by name: an absolute folder, "target:NAME", "docker-image://REF", "oci-layout://..."
	// or a URL.
	Contexts map[string]string
	// Dockerfile is an absolute path, or a path inside a remote context. Unused if DockerfileInline is set.
	Dockerfile       string
	DockerfileInline string
	// Stage is the Dockerfile stage to build; empty means the last one.
	Stage  string
	Args   map[string]string
	Labels map[string]string
	Tags   []string
	// Outputs is empty for a build whose result only stays in the cache.
	Outputs  []Output
	Strategy Strategy
	NoCache  bool
	// NoRecipeCache keeps the recipes of cross-compilation from sharing a compile cache between stages.
	NoRecipeCache bool
}

// Strategy says how a platform other than the node's own is reached.
type Strategy string

// The strategies. [Auto] is the default of xbuild.hcl, [AsWritten] that of Bake files.
const (
	AsWritten Strategy = "as-written" // what the Dockerfile says, no edit
	Emulate   Strategy = "emulate"    // no edit, foreign steps under QEMU
	Native    Strategy = "native"     // no edit, only nodes that execute the platform themselves
	Cross     Strategy = "cross"      // pin build stages to the node and compile for the target; an error where unsound
	Auto      Strategy = "auto"       // as written if nothing is foreign, else cross, native, emulate
)

// Strategies lists the mode names that `strategy` accepts, in the order in which help and diagnostics show them.
var Strategies = []Strategy{AsWritten, Emulate, Cross, Auto}
