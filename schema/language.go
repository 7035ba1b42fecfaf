package schema

// BlockType is a block that a build file may hold at its top level.
type BlockType struct {
	Name       string
	Labels     []string // what each label means
	Doc        string
	Attributes []Attribute
	Blocks     []BlockType // blocks inside it, each any number of times
	In         Dialect     // which files may have it
	Since      string
}

// Attribute is one attribute of a block. The decoder, --set, the reference page and completion read this table and
// nothing else, so an attribute that is not here does not exist.
type Attribute struct {
	Name    string
	Type    ValueType
	Default string // as it would be written; empty means unset
	Merge   MergeRule
	// Required says that a block means nothing without the attribute.
	Required bool
	// SetKey is the key in --set TARGET.KEY=VALUE; empty means that --set cannot change it. SubKey says that the key
	// needs a second part (args.NAME).
	SetKey string
	SubKey bool
	// PathBase says what a relative path is relative to.
	PathBase PathBase
	// Platform says whether the expression may use the platform object.
	Platform bool
	// In says which files may have the attribute.
	In    Dialect
	Doc   string
	Since string
}

// Dialect is a kind of build file.
type Dialect string

// The dialects. An attribute without one belongs to both.
const (
	BothDialects  Dialect = ""
	XbuildDialect Dialect = "xbuild" // xbuild.hcl and what it includes
	BakeDialect   Dialect = "bake"   // docker-bake.hcl and every other file that Bake reads
)

// Has reports whether a file of dialect d may have the attribute.
func (a *Attribute) Has(d Dialect) bool { return a.In == BothDialects || a.In == d }

// ValueType is the type of an attribute's value, in the language's own words.
type ValueType string

// The value types.
const (
	TypeString     ValueType = "string"
	TypeBool       ValueType = "bool"
	TypeStringList ValueType = "list(string)"
	TypeStringMap  ValueType = "map(string)"
	TypeOutputList ValueType = "list(output)" // each a CSV string or an object, like the lists below
	TypeCacheList  ValueType = "list(cache)"
	TypeSecretList ValueType = "list(secret)"
	TypeSSHList    ValueType = "list(ssh)"
	TypeAttestList ValueType = "list(attest)"
	TypePolicyList ValueType = "list(policy)"
	TypeResources  ValueType = "object(resources)"
	TypeAny        ValueType = "any"
	TypeMatrix     ValueType = "map(list(any))"
	TypeExpression ValueType = "expression" // evaluated where the block is used
	TypeType       ValueType = "type"       // a type expression: string, list(number), object({ a = string })
	TypeName       ValueType = "name"       // a plain word
	TypeNameList   ValueType = "list(name)"
)

// MergeRule says how a value combines with that of a parent or of an earlier block of the same name.
type MergeRule string

// The merge rules.
const (
	MergeReplace MergeRule = "replace" // the later value wins; an empty list counts as a value
	MergeAppend  MergeRule = "append"  // later elements follow earlier ones
	MergeKeys    MergeRule = "keys"    // per key, the later wins
	MergeEntries MergeRule = "entries" // per id or type, the later wins in the place of the first
	MergeNone    MergeRule = "none"    // never inherited
)

// PathBase says what a relative path in an attribute is relative to.
type PathBase string

// The path bases. On the command line and in --set every path is relative to the working directory.
const (
	PathNone    PathBase = ""
	PathFile    PathBase = "build file" // the file in which the expression stands
	PathContext PathBase = "context"    // the target's context
)

// TopLevel are the attributes that the language itself gives a meaning at the top level of a file; all others are values
// that expressions can read.
var TopLevel = []Attribute{
	{Name: "include", Type: TypeStringList, PathBase: PathFile, In: XbuildDialect, Since: "0.1",
		Doc: "Other build files to read first, so that this one can change what they say. Plain strings; * and ? match file names."},
}

// Table is a table of blocks and attributes.
type Table []BlockType

// Language is the table of blocks and attributes of all build files; [Table.Of] takes the part of one dialect.
var Language = Table{
	{Name: "variable", Labels: []string{"name"}, Since: "0.1",
		Doc: "An input: --var NAME=VALUE, else the environment variable of that name, else the default.",
		Attributes: []Attribute{
			{Name: "type", Type: TypeType, Doc: "The type, which text from outside is read as: a list as CSV, a map as NAME:VALUE pairs, anything as JSON from NAME_JSON. Without one it is that of the default."},
			{Name: "default", Type: TypeAny, Doc: "Value used when nothing overrides it. Without one the variable is the empty string, or null if it has a type."},
			{Name: "description", Type: TypeString, Doc: "Shown to users."},
			{Name: "sensitive", Type: TypeBool, Default: "false", In: XbuildDialect, Doc: "Never show the value, nor what is made of it."},
		},
		Blocks: []BlockType{{Name: "validation", Since: "0.1", Doc: "A condition that the value must satisfy.", Attributes: []Attribute{
			{Name: "condition", Type: TypeExpression, Required: true, Doc: "True if the value is good."},
			{Name: "error_message", Type: TypeExpression, Doc: "What to say if it is not."},
		}}}},
	{Name: "function", Labels: []string{"name"}, Since: "0.1",
		Doc: "A function of the build file's own.",
		Attributes: []Attribute{
			{Name: "params", Type: TypeNameList, Required: true, Doc: "The names of the parameters; [] if there are none."},
			{Name: "variadic_params", Type: TypeName, Doc: "The name of a list that holds all further arguments."},
			{Name: "result", Type: TypeExpression, Required: true, Doc: "The value, an expression over the parameters and the names of the file."},
		}},
	{Name: "platforms", Labels: []string{"name"}, Since: "0.1", In: XbuildDialect,
		Doc: "A named set of platforms; platforms.NAME is a list of strings.",
		Attributes: []Attribute{
			{Name: "list", Type: TypeStringList, Required: true, Doc: "The platforms, os/arch or os/arch/variant."},
			{Name: "description", Type: TypeString, Doc: "Shown to users."},
		}},
	{Name: "strategy", Labels: []string{"name"}, Since: "0.1",
		Doc: "A strategy of your own: a mode, and stages that you vouch for where xbuild cannot prove that pinning them to the build platform is sound.",
		Attributes: []Attribute{
			{Name: "description", Type: TypeString, Doc: "Shown to users."},
			{Name: "mode", Type: TypeString, Default: `"auto"`, Doc: "What is tried first: as-written, emulate, native, cross or auto."},
			{Name: "native", Type: TypeStringList, Doc: "Stages, or patterns of their names, whose result is the same for every platform: each runs once, on the build platform."},
			{Name: "fork", Type: TypeStringList, Doc: "Stages, or patterns of their names, that run on the build platform and make something for the target. " +
				"They are given TARGETOS, TARGETARCH, TARGETVARIANT and env."},
			{Name: "env", Type: TypeStringMap, Merge: MergeKeys, Platform: true, Doc: "Variables for the stages in fork, from the first step that needs them on."},
			{Name: "run_before", Type: TypeStringList, Platform: true, Doc: "Shell commands to run before that step in the stages in fork."},
			{Name: "fallback", Type: TypeStringList, Doc: "Modes to try, in order, where mode cannot be used. Without it that is an error."},
		}},
	{Name: "group", Labels: []string{"name"}, Since: "0.1",
		Doc: "A name for several targets. The group \"default\" is built when no target is named.",
		Attributes: []Attribute{
			{Name: "targets", Type: TypeStringList, Required: true, Doc: "Targets or groups."},
			{Name: "description", Type: TypeString, Doc: "Shown to users."},
		}},
	{Name: "target", Labels: []string{"name"}, Since: "0.1",
		Doc: "Something to build: one stage of a Dockerfile, on one or more platforms.",
		// The order is that of Bake's JSON; what Bake does not have stands at the end.
		Attributes: []Attribute{
			{Name: "inherits", Type: TypeStringList, Merge: MergeNone, Doc: "Targets whose values this one starts from, later ones over earlier ones."},
			{Name: "description", Type: TypeString, Merge: MergeNone, Doc: "Shown to users."},
			{Name: "matrix", Type: TypeMatrix, Merge: MergeNone,
				Doc: "Makes a target for every combination of the values, whose names its expressions can read. The block's own name is then a group of them."},
			{Name: "name", Type: TypeString, Merge: MergeNone, Doc: "The name of each target of a matrix."},
			{Name: "annotations", Type: TypeStringList, Merge: MergeAppend, SetKey: "annotation", Platform: true,
				Doc: "Annotations of the image, [TYPE[PLATFORM],...:]KEY=VALUE."},
			{Name: "attest", Type: TypeAttestList, Merge: MergeEntries, SetKey: "attest", Platform: true,
				Doc: "Attestations to attach: type=provenance or type=sbom, with their options."},
			{Name: "context", Type: TypeString, Default: `"."`, Merge: MergeReplace, SetKey: "context", PathBase: PathFile, Platform: true,
				Doc: "Folder that COPY and ADD read, or a git or http URL."},
			{Name: "contexts", Type: TypeStringMap, Merge: MergeKeys, SetKey: "contexts", SubKey: true, PathBase: PathFile, Platform: true,
				Doc: "Named contexts: a folder, target:NAME, docker-image://REF or a URL. They replace the stage or image of that name."},
			{Name: "dockerfile", Type: TypeString, Default: `"Dockerfile"`, Merge: MergeReplace, SetKey: "dockerfile", PathBase: PathContext, Platform: true,
				Doc: "The Dockerfile."},
			{Name: "dockerfile-inline", Type: TypeString, Merge: MergeReplace, Platform: true,
				Doc: "Text of a Dockerfile, in place of a file."},
			{Name: "args", Type: TypeStringMap, Merge: MergeKeys, SetKey: "args", SubKey: true, Platform: true,
				Doc: "Values for the Dockerfile's ARG instructions; null leaves one out. SOURCE_DATE_EPOCH of the environment is added."},
			{Name: "labels", Type: TypeStringMap, Merge: MergeKeys, SetKey: "labels", SubKey: true, Platform: true,
				Doc: "Image labels."},
			{Name: "tags", Type: TypeStringList, Merge: MergeReplace, SetKey: "tags", Platform: true,
				Doc: "Image names to push or store under."},
			{Name: "cache-from", Type: TypeCacheList, Merge: MergeAppend, SetKey: "cache-from", PathBase: PathFile, Platform: true,
				Doc: "Caches to read: an image reference, or type=registry|local|gha|s3|azblob with its options."},
			{Name: "cache-to", Type: TypeCacheList, Merge: MergeReplace, SetKey: "cache-to", PathBase: PathFile, Platform: true,
				Doc: "Caches to write, in the forms of cache-from, and type=inline. One that cannot be written is told and no failure, unless it has required=true."},
			{Name: "target", Type: TypeString, Merge: MergeReplace, SetKey: "target", Platform: true,
				Doc: "Stage of the Dockerfile; the last one if unset."},
			{Name: "secret", Type: TypeSecretList, Merge: MergeEntries, SetKey: "secret", PathBase: PathFile, Platform: true,
				Doc: "Secrets for RUN --mount=type=secret: id=ID with src=FILE or env=NAME."},
			{Name: "ssh", Type: TypeSSHList, Merge: MergeEntries, SetKey: "ssh", PathBase: PathFile, Platform: true,
				Doc: "SSH agents or keys for RUN --mount=type=ssh: default, or ID=PATH,..."},
			{Name: "platforms", Type: TypeStringList, Merge: MergeReplace, SetKey: "platforms",
				Doc: "Platforms to build for; the node's own if unset."},
			{Name: "output", Type: TypeOutputList, Merge: MergeReplace, SetKey: "output", PathBase: PathFile, Platform: true,
				Doc: "Where the result goes: a folder, or type=local|tar|image|registry|oci|docker|cacheonly with its options. Several platforms get a folder each below dest. special=true keeps device nodes and setuid bits in a folder."},
			{Name: "pull", Type: TypeBool, Default: "false", Merge: MergeReplace, SetKey: "pull", Platform: true,
				Doc: "Ask the registry for the base images even if the node has them."},
			{Name: "no-cache", Type: TypeBool, Default: "false", Merge: MergeReplace, SetKey: "no-cache", Platform: true,
				Doc: "Run every step, cached or not."},
			{Name: "network", Type: TypeString, Merge: MergeReplace, SetKey: "network", Platform: true,
				Doc: "Network of RUN: default, none or host, which needs the entitlement network.host."},
			{Name: "no-cache-filter", Type: TypeStringList, Merge: MergeAppend, SetKey: "no-cache-filter", Platform: true,
				Doc: "Stages whose steps always run."},
			{Name: "shm-size", Type: TypeString, Merge: MergeReplace, SetKey: "shm-size", Platform: true,
				Doc: "Size of /dev/shm for RUN: bytes, or a number with k, m or g."},
			{Name: "ulimits", Type: TypeStringList, Merge: MergeAppend, SetKey: "ulimit", Platform: true,
				Doc: "Limits of RUN: NAME=SOFT[:HARD]."},
			{Name: "resources", Type: TypeResources, Merge: MergeKeys, SetKey: "resource", SubKey: true, Platform: true,
				Doc: "Memory and CPU limits of RUN: memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus, cpuset-mems."},
			{Name: "call", Type: TypeString, Merge: MergeReplace, SetKey: "call", Platform: true,
				Doc: "What to do with the Dockerfile: build, check, outline, targets."},
			{Name: "entitlements", Type: TypeStringList, Merge: MergeAppend, SetKey: "entitlement", Platform: true,
				Doc: "Privileges that the build needs: network.host, security.insecure, device. The command line grants them with --allow."},
			{Name: "extra-hosts", Type: TypeStringMap, Merge: MergeKeys, SetKey: "extra-host", SubKey: true, Platform: true,
				Doc: "Entries for /etc/hosts during RUN: name to address, or host-gateway."},
			{Name: "policy", Type: TypePolicyList, Merge: MergeAppend, SetKey: "policy", In: BakeDialect,
				Doc: "Policies that sources must satisfy: filename, reset, disabled, strict, log-level."},
			{Name: "strategy", Type: TypeString, Default: `"auto"`, Merge: MergeReplace, SetKey: "strategy", Platform: true, In: XbuildDialect,
				Doc: "How foreign platforms are reached: as-written, emulate, native, cross, auto, or strategy.NAME for a strategy block."},
			{Name: "optional", Type: TypeBool, Default: "false", Merge: MergeReplace, SetKey: "optional", Platform: true, In: XbuildDialect,
				Doc: "Finish the target without the platform if it cannot be built; report and exit code say so."},
			{Name: "recipe_cache", Type: TypeBool, Default: "true", Merge: MergeReplace, SetKey: "recipe_cache", Platform: true, In: XbuildDialect,
				Doc: "Let stages that xbuild cross-compiles share one compile cache. It changes nothing but the time."},
			{Name: "verify", Type: TypeBool, Default: "false", Merge: MergeReplace, SetKey: "verify", Platform: true, In: XbuildDialect,
				Doc: "Fail if a program in the result is for another machine than the platform's, also where the Dockerfile is built as written."},
			{Name: "timeout", Type: TypeString, Merge: MergeReplace, SetKey: "timeout", Platform: true, In: XbuildDialect,
				Doc: "How long the build for one platform may take, such as 90s or 10m."},
			{Name: "retries", Type: TypeString, Default: `"0"`, Merge: MergeReplace, SetKey: "retries", Platform: true, In: XbuildDialect,
				Doc: "How many times a build that fails is tried again."},
			{Name: "concurrency", Type: TypeString, Merge: MergeReplace, SetKey: "concurrency", In: XbuildDialect,
				Doc: "How many platforms are built at the same time."},
			{Name: "depends_on", Type: TypeStringList, Merge: MergeReplace, In: XbuildDialect,
				Doc: "Targets that are built before this one begins, without using anything of theirs."},
		}},
}

// Of is the part of the table that files of a dialect may use.
func (t Table) Of(d Dialect) Table {
	var out Table
	for _, b := range t {
		if b.In != BothDialects && b.In != d {
			continue
		}
		all := b.Attributes
		b.Attributes, b.Blocks = nil, Table(b.Blocks).Of(d)
		for _, a := range all {
			if a.Has(d) {
				b.Attributes = append(b.Attributes, a)
			}
		}
		out = append(out, b)
	}
	return out
}

// Block returns the block type of that name, or nil.
func (t Table) Block(name string) *BlockType {
	for i := range t {
		if t[i].Name == name {
			return &t[i]
		}
	}
	return nil
}

// Names are the names of the block types, in the order of the table.
func (t Table) Names() []string {
	var out []string
	for _, b := range t {
		out = append(out, b.Name)
	}
	return out
}

// Names are the names of the attributes, in the order of the table.
func (b *BlockType) Names() []string {
	var out []string
	for _, a := range b.Attributes {
		out = append(out, a.Name)
	}
	return out
}

// Attribute returns the attribute of that name, or nil.
func (b *BlockType) Attribute(name string) *Attribute {
	for i := range b.Attributes {
		if b.Attributes[i].Name == name {
			return &b.Attributes[i]
		}
	}
	return nil
}
