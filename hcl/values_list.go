package hcl

import "github.com/xbuild/xbuild/schema"

// Builtin is a value that the language itself has a name for.
type Builtin struct {
	Name string
	Doc  string
	In   schema.Dialect // which files can read it
}

// platformDocs says what the attributes of `platform` are.
var platformDocs = map[string]string{
	"id":      "The platform as text: linux/arm/v7.",
	"os":      "The operating system: linux, darwin, windows.",
	"arch":    "The architecture: amd64, arm64, arm.",
	"variant": "The variant of the architecture, as the v7 of linux/arm/v7; often empty.",
	"slug":    "The platform as a part of a file's name: linux_arm_v7.",
	"exe":     "What programs end in: .exe on windows, else nothing.",
	"goarm":   "The value of GOARM: 5, 6 or 7 for arm, else empty.",
	"triple":  "The name under which compilers know a linux platform: arm-linux-gnueabihf; empty if there is none.",
}

// gitDocs says what the attributes of `git` are.
var gitDocs = map[string]string{
	"branch": "The branch that is checked out; empty if none is.",
	"commit": "The full hash of the commit that is checked out.",
	"dirty": "Whether files differ from the commit, in submodules too. Filters of the repository, such as Git LFS, are not run: a file that has one differs if its " +
		"size, times or inode are not those that git noted when it wrote the file.",
	"tag":  "The highest tag of the commit; empty if it has none.",
	"time": "The time of the commit, in RFC 3339.",
}

// Builtins are the values that every build file can read.
func Builtins() []Builtin {
	out := []Builtin{
		{"BAKE_CMD_CONTEXT", "The address that follows that of a remote build file on the command line, else cwd://.", schema.BakeDialect},
		{"BAKE_LOCAL_PLATFORM", "The platform of the machine on which xbuild runs.", schema.BakeDialect},
		{"target.NAME.ATTRIBUTE", "The value of another target's attribute.", schema.BothDialects},
		{"group.NAME.targets", "The targets of a group.", schema.BakeDialect},
		{"platforms.NAME", "The list of a platforms block.", schema.XbuildDialect},
	}
	for _, p := range sortedKeys(platformDocs) {
		out = append(out, Builtin{"platform." + p, platformDocs[p], schema.XbuildDialect})
	}
	for _, f := range sortedKeys(gitDocs) {
		out = append(out, Builtin{"git." + f, gitDocs[f], schema.XbuildDialect})
	}
	return out
}
