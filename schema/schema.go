// Package schema is the vocabulary of xbuild: what a build file says once it is read.
//
// In: nothing. Out: the types that the front end fills ([Config]), the planner reads and the executor reports on. The
// package has no behaviour beyond parsing and printing its own words ([ParsePlatform], [ParseOutput]). [Language] is the
// table of every block and attribute; decoder, --set, reference and completion are driven by it.
package schema

import (
	"slices"
	"time"

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
	// Strategies are the strategy blocks, in source order; names are unique.
	Strategies []*StrategyBlock
	// Variables are for display (`list`) and for provenance of values; the values are already used.
	Variables []Variable
	// Requested are the targets that the command line asked for, where the build file's dialect decides what a name
	// means (Bake's groups and patterns); nil where it does not.
	Requested []string
	// CacheWriters are the targets of the build files that write caches, in source order, also those that Targets lacks because
	// nobody asked for them. Nil means that Targets has all.
	CacheWriters []CacheWriter
	// Sources holds the text of every file read, so that later diagnostics can quote it.
	Sources diag.Sources
}

// Bake reports whether the build files are Bake's, whose meaning is the peer's.
func (c *Config) Bake() bool { return c.Requested != nil }

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

// StrategyBlock returns the block that a target's strategy names, or nil if it is the name of a mode.
func (c *Config) StrategyBlock(s Strategy) *StrategyBlock {
	i := slices.IndexFunc(c.Strategies, func(b *StrategyBlock) bool { return b.Ref() == s })
	if i < 0 {
		return nil
	}
	return c.Strategies[i]
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
	Type        string // as the build file would write it; empty if it has none
	Value       string // as text; empty for null
	Null        bool
	Sensitive   bool
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
	// DependsOn are targets that must be built before this one begins.
	DependsOn []string
	// Concurrency bounds how many platforms are built at the same time; 0 means no bound.
	Concurrency int
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
	Stage string
	Args  map[string]string
	// SensitiveArgs are the names of arguments whose values are never shown, sorted.
	SensitiveArgs []string
	// Hidden are the texts that must not be shown anywhere if an argument is sensitive: the values of these arguments and of the
	// sensitive variables.
	Hidden []string
	Labels map[string]string
	Tags   []string
	// Outputs is empty for a build whose result only stays in the cache.
	Outputs []Output
	// Strategy is a mode, or "strategy.NAME" for a strategy block.
	Strategy Strategy
	// Optional says that the target is finished without this platform if it cannot be built.
	Optional bool
	NoCache  bool
	// NoCacheFilter names the stages whose steps run even if they are cached.
	NoCacheFilter []string
	// Pull asks the registry for base images even if the node has them.
	Pull bool
	// CacheFrom and CacheTo are the caches to read and to write, beside the node's own.
	CacheFrom, CacheTo []Cache
	// Secrets and SSH are what RUN --mount=type=secret and type=ssh can ask for, each id once.
	Secrets []Secret
	SSH     []SSH
	// Attest holds the attestations asked for, each type once.
	Attest []Attest
	// Annotations are [TYPE[PLATFORM],...:]KEY=VALUE.
	Annotations []string
	// Network is the network of RUN: "", "default", "none" or "host".
	Network string
	// ShmSize is the size of /dev/shm during RUN in bytes; 0 means the node's default.
	ShmSize int64
	// Ulimits are NAME=SOFT[:HARD].
	Ulimits []string
	// ExtraHosts are addresses by name; several are separated by commas.
	ExtraHosts map[string]string
	// Resources are limits of RUN by name: memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus,
	// cpuset-mems; sizes and numbers are decimal.
	Resources map[string]string
	// Entitlements are privileges that the build needs; the user must grant them.
	Entitlements []string
	// Call is a question to put to the Dockerfile in place of a build: "lint" (check), "outline", "targets"; empty means
	// build.
	Call string
	// Policies are files of rules that the sources of a build must satisfy.
	Policies []Policy
	// Verify makes a program for another machine an error also where the Dockerfile is built as written.
	Verify bool
	// Timeout bounds how long the build may take; 0 means no bound. Retries is how many times it is tried again if it
	// fails.
	Timeout time.Duration
	Retries int
	// NoRecipeCache keeps the recipes of cross-compilation from sharing a compile cache between stages.
	NoRecipeCache bool
}

// Cache is a place where steps are kept for later runs.
type Cache struct {
	// Type is "registry", "local", "inline", "gha", "s3", "azblob" or what else the node knows.
	Type string
	// Attrs are its options, passed to BuildKit as they are; src and dest of a local cache are absolute folders.
	Attrs map[string]string
}

// CacheWriter is a target that writes caches.
type CacheWriter struct {
	Target  string
	CacheTo []Cache
}

// Secret is a value that a build may see and nothing may keep. One of Src and Env is set.
type Secret struct {
	ID  string
	Src string // absolute file
	Env string // environment variable
}

// SSH is an agent or a set of keys that a build may use.
type SSH struct {
	ID string // "default" if the build file gives none
	// Paths are absolute: one socket, or key files. Empty means the agent of SSH_AUTH_SOCK.
	Paths []string
}

// Attest is an attestation to attach to a result, or one to leave out.
type Attest struct {
	Type     string // "provenance", "sbom"
	Disabled bool
	Attrs    map[string]string
}

// Policy is one set of rules for the sources of a build.
type Policy struct {
	File     string // as written; empty for one that only changes how the others are applied
	Reset    bool
	Disabled bool
	Strict   *bool
	LogLevel string
}
