package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/xbuild/xbuild/schema"
)

// insteadOfCommand are the commands of other tools, with those that do the same here.
var insteadOfCommand = map[string]string{
	"build": "run", "bake": "run", "buildx": "run", "up": "run", "apply": "run", "make": "run",
	"ls": "list", "lint": "validate", "check": "validate", "config": "print", "format": "fmt", "diff": "plan --diff",
	"du": "daemon du", "prune": "daemon prune", "info": "doctor", "inspect": "doctor", "help": "--help",
}

// withPointer adds to cobra's error about an unknown command the command that does here what one of that name does elsewhere.
func withPointer(err error) error {
	if err == nil {
		return nil
	}
	rest, ok := strings.CutPrefix(err.Error(), `unknown command "`)
	name, _, found := strings.Cut(rest, `" for "xbuild"`)
	use := insteadOfCommand[name]
	if !ok || !found || use == "" {
		return err
	}
	return fmt.Errorf("unknown command %q for \"xbuild\"; use \"xbuild %s\"", name, use)
}

// insteadOfFlags are flags of docker buildx that have no counterpart of the same name, and what to use.
var insteadOfFlags = map[string]string{
	"build-arg": "--set TARGET.args.NAME=VALUE", "tag": "--set TARGET.tags=NAME", "t": "--set TARGET.tags=NAME", "target": "--set TARGET.target=STAGE",
	"output": "--set TARGET.output=...", "o": "--set TARGET.output=...", "cache-from": "--set TARGET.cache-from=...", "cache-to": "--set TARGET.cache-to=...",
	"secret": "--set TARGET.secret=...", "ssh": "--set TARGET.ssh=...", "label": "--set TARGET.labels.NAME=VALUE", "build-context": "--set TARGET.contexts.NAME=VALUE",
	"attest": "--set TARGET.attest=...", "annotation": "--set TARGET.annotation=...", "no-cache-filter": "--set TARGET.no-cache-filter=STAGE", "network": "--set TARGET.network=...",
	"builder": "the environment variable BUILDKIT_HOST", "debug": "--progress plain", "D": "--progress plain", "v": "--progress plain", "verbose": "--progress plain",
	"dry-run": "the command plan",
}

// insteadOfFlag says what may help where a flag is wrong.
func insteadOfFlag(c *cobra.Command, err error) string {
	help := fmt.Sprintf("see %q", c.CommandPath()+" --help")
	text := err.Error()
	long, isLong := strings.CutPrefix(text, "unknown flag: --")
	short, isShort := strings.CutPrefix(text, "unknown shorthand flag: '")
	switch {
	case isShort:
		long, _, _ = strings.Cut(short, "'")
	case !isLong:
		return help
	}
	if s := insteadOfFlags[long]; s != "" {
		return "use " + s
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if s := schema.Suggest(long, names); s != "" {
		return fmt.Sprintf("did you mean --%s? %s", s, help)
	}
	return help
}
