package plan

import "github.com/xbuild/xbuild/schema"

// Facts is what the planner knows about the world. Everything may be missing; the plan then says less or assumes more,
// and records that it did.
type Facts struct {
	// Dockerfiles by [FileKey]. A target whose file is missing here gets an error, unless it is remote (opaque).
	Dockerfiles map[string]DockerfileFact
	// Nodes that can be asked to build; the first is the hub. Empty means: assume one.
	Nodes []NodeFact
	// Images by reference as the Dockerfile gives it after expansion.
	Images map[string]Image
	// Files is what the files of contexts say.
	Files map[Context]FilesFact
	// Local is this machine's architecture, for an assumed node.
	Local schema.Platform
}

// DockerfileFact is a file as read, or why it could not be read.
type DockerfileFact struct {
	Text string
	Err  string
	// Context says what is wrong with the folder that the Dockerfile is looked for in, if that is why it could not be read.
	Context string
	// Beside are the names of the files that are where it is not.
	Beside []string
}

// Wants is what [Needs] asks for.
type Wants struct {
	Images []string    // references of base images
	Files  []FilesWant // contexts whose files count, each once
}

// Context is a folder that a build sends, without what its ignore file excludes.
type Context struct {
	Dir string // absolute
	// Dockerfile is the one whose own ignore file may hold for the folder; "" if it has none.
	Dockerfile string
}

// ContextOf is the main context of a build.
func ContextOf(b *schema.Build) Context {
	c := Context{Dir: b.Context, Dockerfile: b.Dockerfile}
	if b.DockerfileInline != "" {
		c.Dockerfile = ""
	}
	return c
}

// FilesWant says what counts of a context.
type FilesWant struct {
	Context
	// Cgo asks for imports of "C", Scripts for what scripts, make files and programs ask of the machine. Runs are the packages and
	// files that are given to go run outside of them.
	Cgo, Scripts bool
	Runs         []string
}

// FilesFact is what the files of a context say. The zero value says nothing.
type FilesFact struct {
	// UsesC is the place of the first import of "C" that counts for a build on Linux, "db/sqlite.go:7" from the folder on. Tests
	// do not count. "" if there is none, or if nobody looked.
	UsesC string
	// Scripts says that scripts, make files and the programs that they run were looked at, and all of them could be found. Probe is
	// the first place in them that asks for the machine it runs on, "build.sh:3", and ProbeWhat how: "uname -m". Both are "" if
	// there is none.
	Scripts          bool
	Probe, ProbeWhat string
}

// NodeFact is a node as it answered.
type NodeFact struct {
	Name string
	// Platforms that the worker lists; the first is its own.
	Platforms []schema.Platform
	// DefaultOutput is where results of Bake files' targets go that name no output; empty if they only stay in the cache.
	DefaultOutput schema.OutputType
	// Caches are the types of caches that a build file may name for this node; nil if that is not known.
	Caches []string
}

// Request says which targets to plan.
type Request struct {
	// Targets are names of targets or groups, "name@platform" for one platform. Empty means the group or target
	// "default".
	Targets []string
	// Platforms, if not empty, replaces the declared platforms of the requested targets. They must be declared, unless
	// a target declares none.
	Platforms []schema.Platform
	// Strategy, if not empty, replaces that of every target.
	Strategy schema.Strategy
	// PartialTags allows tags of several platforms to be pushed for some of them. Of Bake's files it is always allowed.
	PartialTags bool
}

// FileKey is the key of a build's Dockerfile in [Facts]: its path, or for inline text a name that cannot be a path.
func FileKey(b *schema.Build) string {
	if b.DockerfileInline != "" {
		return "inline:" + b.DockerfileInline
	}
	return b.Dockerfile
}
