package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/exec/embedded"
)

func (a *app) daemonCommand() *cobra.Command {
	c := &cobra.Command{Use: "daemon", Short: "Look at or stop the BuildKit inside xbuild", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(
		&cobra.Command{Use: "status", Short: "Say whether it runs, and where it keeps its data", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			cfg := embedded.DefaultConfig(a.getenv)
			st, err := embedded.Status(c.Context(), cfg)
			if err != nil {
				return &exitError{ExitFailed, err}
			}
			fmt.Fprint(a.out, st.String())
			return nil
		}},
		&cobra.Command{Use: "stop", Short: "Stop it", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			if err := embedded.Stop(c.Context(), embedded.DefaultConfig(a.getenv)); err != nil {
				return &exitError{ExitFailed, err}
			}
			return nil
		}},
	)
	return c
}
