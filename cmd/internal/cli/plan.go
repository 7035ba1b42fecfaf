package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/exec"
)

func (a *app) planCommand() *cobra.Command {
	var in inputFlags
	var format string
	var diff, offline bool
	c := &cobra.Command{
		Use:   "plan [TARGET...]",
		Short: "Show what would run where, and why",
		Long: "Show every stage on every platform: its kind, its place and the reason.\n\n" +
			"TARGET is a target or a group, TARGET@PLATFORM one platform of a target; without one, \"default\".",
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return &exitError{ExitUsage, fmt.Errorf("--format %s: want text or json", format)}
			}
			cfg, err := a.load(&in)
			if err != nil {
				return err
			}
			req, err := in.request(args)
			if err != nil {
				return err
			}
			var b exec.Backend
			if !offline {
				be, err := a.connect(c.Context())
				switch {
				case err == nil:
					defer be.Close()
					b = be
				case c.Context().Err() != nil || a.getenv("BUILDKIT_HOST") != "":
					return a.orInterrupted(c.Context(), err)
				default: // a plan can do without; a run cannot
					fmt.Fprintf(a.err, "note: %v\nnote: the plan assumes a node and knows nothing of base images\n", err)
				}
			}
			p, err := a.makePlan(c.Context(), cfg, req, b)
			if p == nil {
				return err
			}
			switch {
			case diff:
				fmt.Fprint(a.out, planDiff(p))
			case format == "json":
				j, jerr := json.MarshalIndent(p, "", "  ")
				if jerr != nil {
					return jerr
				}
				fmt.Fprintf(a.out, "%s\n", j)
			default:
				fmt.Fprint(a.out, planText(p, a.color(a.out)))
			}
			return err
		},
	}
	in.register(c)
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().BoolVar(&diff, "diff", false, "print the change to the Dockerfile as a unified diff")
	c.Flags().BoolVar(&offline, "offline", false, "ask no BuildKit; assume linux and this machine's architecture")
	return c
}
