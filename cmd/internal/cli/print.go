package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/cmd/internal/start"
	"github.com/xbuild/xbuild/hcl"
)

func (a *app) printCommand() *cobra.Command {
	var in inputFlags
	c := &cobra.Command{
		Use:   "print [TARGET...]",
		Short: "Print what the build files say, as JSON",
		Long: "Print the targets and groups that would be built, with all values worked out: the JSON of docker buildx bake --print.\n\n" +
			"TARGET is a target, a group or a pattern; without one, \"default\". No BuildKit is needed for files on this machine.\n\n" + remoteHelp,
		RunE: func(c *cobra.Command, args []string) error { return a.print(c, &in, in.takeRemote(args)) },
	}
	in.registerFiles(c)
	in.registerSets(c)
	in.bake.register(c)
	in.policy.register(c)
	in.registerAllow(c)
	return c
}

func (a *app) print(c *cobra.Command, in *inputFlags, args []string) error {
	start.Frugal()
	if err := in.checkAllow(); err != nil {
		return err
	}
	sets, err := in.bake.sets(c)
	if err != nil {
		return err
	}
	policies, err := in.policy.sets()
	if err != nil {
		return err
	}
	def, err := a.read(c.Context(), in, args)
	if err != nil {
		return err
	}
	def.env.Sets = slices.Concat(def.env.Sets, sets, policies)
	text, sources, diags := hcl.Print(def.files, def.env)
	if err := a.report(diags, sources); err != nil {
		return err
	}
	for _, b := range [][]byte{text, []byte("\n")} { // the text may be long: no copy of it
		if _, err := a.out.Write(b); err != nil {
			return err
		}
	}
	return nil
}
