package hcl

// Code is one kind of problem that this package reports.
type Code struct {
	Name string // stable, kebab-case; the Code of a diag.Diagnostic
	Doc  string // one sentence
}

const (
	codeSyntax             = "syntax"
	codeUnknownAttribute   = "unknown-attribute"
	codeUnknownBlock       = "unknown-block"
	codeDuplicateAttribute = "duplicate-attribute"
	codeDuplicateName      = "duplicate-name"
	codeMissingLabel       = "missing-label"
	codeExtraLabel         = "extra-label"
	codeMissingAttribute   = "missing-attribute"
	codeReservedName       = "reserved-name"
	codeBadName            = "bad-name"
	codeUnusedGlobal       = "unused-global"

	codeUnknownVariable  = "unknown-variable"
	codeUnknownFunction  = "unknown-function"
	codeUnknownPlatforms = "unknown-platforms"
	codeUnknownTarget    = "unknown-target"
	codeBadReference     = "bad-reference"
	codeBadCall          = "bad-call"
	codeBadExpression    = "bad-expression"
	codeWrongType        = "wrong-type"
	codeShadowed         = "shadowed"
	codeVariableCycle    = "variable-cycle"
	codeReferenceCycle   = "reference-cycle"
	codeInheritsCycle    = "inherits-cycle"
	codeGroupCycle       = "group-cycle"

	codePlatformNotHere   = "platform-not-here"
	codePlatformNeedsList = "platform-needs-list"
	codePlatformReference = "platform-reference"
	codeTagOnSome         = "tag-on-some-platforms"

	codeBadVariable = "bad-variable"
	codeBadSet      = "bad-set"
	codeBadPlatform = "bad-platform"
	codeBadStrategy = "bad-strategy"
	codeBadOutput   = "bad-output"
	codeBadTag      = "bad-tag"
	codeBadContext  = "bad-context"

	codeValidation     = "validation"
	codeBadFunction    = "bad-function"
	codeBadMatrix      = "bad-matrix"
	codeLinkCycle      = "link-cycle"
	codeBadSize        = "bad-size"
	codeBadSecret      = "bad-secret"
	codeBadAnnotation  = "bad-annotation"
	codeBadEntry       = "bad-entry"
	codeNotSupported   = "not-supported"
	codeMixedDialects  = "mixed-dialects"
	codeCompose        = "bad-compose"
	codeBadInclude     = "bad-include"
	codeIncludeCycle   = "include-cycle"
	codeGit            = "git"
	codeSensitive      = "sensitive"
	codeSensitiveShort = "sensitive-short"
	codeUnknownKey     = "unknown-key"
	codeNoValue        = "no-value"
)

// Codes lists every code that a diagnostic of this package can have.
var Codes = []Code{
	{codeSyntax, "The text is not HCL, or not JSON in a .json file."},
	{codeUnknownAttribute, "A block has an attribute, or --set a key, that the language does not have."},
	{codeUnknownBlock, "There is no block type of that name."},
	{codeDuplicateAttribute, "An attribute is set twice in one block."},
	{codeDuplicateName, "Two things of one file, or a target and a group, have the same name."},
	{codeMissingLabel, "A block lacks its name."},
	{codeExtraLabel, "A block has more labels than its type takes."},
	{codeMissingAttribute, "A block lacks an attribute without which it means nothing."},
	{codeReservedName, "A top-level attribute has a name that belongs to the language."},
	{codeBadName, "A name has characters that names cannot have."},
	{codeUnusedGlobal, "A top-level attribute is read by nothing (a warning)."},

	{codeUnknownVariable, "An expression reads a name that nothing declares."},
	{codeUnknownFunction, "An expression calls a function that does not exist."},
	{codeUnknownPlatforms, "platforms.NAME names a set that no block declares."},
	{codeUnknownTarget, "A target or group is named that no block declares."},
	{codeBadReference, "An expression reads a part that the value does not have."},
	{codeBadCall, "A function does not take these arguments."},
	{codeBadExpression, "An expression cannot be evaluated for another reason."},
	{codeWrongType, "A value has another type than its place requires."},
	{codeShadowed, "A name of the build file hides the built-in name that an expression means."},
	{codeVariableCycle, "Variables, top-level attributes or platform sets need each other's values."},
	{codeReferenceCycle, "Attributes of targets need each other's values."},
	{codeInheritsCycle, "Targets inherit from each other."},
	{codeGroupCycle, "Groups contain each other."},

	{codePlatformNotHere, "The platform object is read where there is no single platform."},
	{codePlatformNeedsList, "A target reads the platform object but does not say for which platforms it is built."},
	{codePlatformReference, "target.NAME.ATTRIBUTE names an attribute that differs between platforms."},
	{codeTagOnSome, "A tag is given for several platforms of a target, but not for all of them."},

	{codeBadVariable, "A variable is overridden with a value that it cannot take, or is not declared."},
	{codeBadSet, "A --set argument cannot be read or does not fit the attribute."},
	{codeBadPlatform, "A string is not a platform."},
	{codeBadStrategy, "A string is not a strategy, or a strategy block says something that has no effect."},
	{codeBadOutput, "An output cannot be read."},
	{codeBadTag, "A tag is not an image name."},
	{codeBadContext, "A context is neither a folder nor a place that BuildKit reads."},

	{codeValidation, "The value of a variable does not satisfy a validation of the build file."},
	{codeBadFunction, "A function block lacks params or result, or a parameter is not a name."},
	{codeBadMatrix, "A matrix is not a map of lists, or stands where none can be."},
	{codeLinkCycle, "Targets need each other through their contexts."},
	{codeBadSize, "A size or a limit cannot be read."},
	{codeBadSecret, "A secret or an SSH agent is not there, or cannot be named so."},
	{codeBadEntry, "An element of a list of caches, secrets, ... cannot be read, or a word of a fixed list is not one of it."},
	{codeBadAnnotation, "An annotation is not [TYPE[PLATFORM]:]KEY=VALUE."},
	{codeMixedDialects, "Files of xbuild's and of Bake's dialect are named together."},
	{codeCompose, "A compose file cannot be read, or uses a variable that is not set."},
	{codeBadInclude, "An include is no list of plain strings, or names a file that cannot be read."},
	{codeIncludeCycle, "Build files include each other in a circle."},
	{codeGit, "An expression reads git, and git cannot tell: there is no repository, or it has no commit."},
	{codeSensitive, "A value made of a sensitive variable stands where it would be shown."},
	{codeSensitiveShort, "The value of a sensitive variable is too short to be masked in logs (a warning)."},
	{codeUnknownKey, "An element of a list of outputs, caches, ... has a key that its type does not have (a warning if it resembles none)."},
	{codeNoValue, "A variable with a type has no value (a warning)."},
	{codeNotSupported, "The build file asks for something that can be printed but not built yet."},
}
