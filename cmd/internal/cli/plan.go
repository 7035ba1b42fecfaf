package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
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
			p, _, err := a.planFor(c.Context(), &in, args, offline)
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

// planFor plans what the command line asks for. The plan may be there beside an error, to be shown; nil if there is nothing to show.
func (a *app) planFor(ctx context.Context, in *inputFlags, args []string, offline bool) (*plan.Plan, *schema.Config, error) {
	cfg, err := a.load(in)
	if err != nil {
		return nil, nil, err
	}
	req, err := in.request(args)
	if err != nil {
		return nil, nil, err
	}
	b, err := a.askedNode(ctx, offline)
	if err != nil {
		return nil, nil, err
	}
	if b == nil {
		p, err := a.makePlan(ctx, cfg, req, nil)
		return p, cfg, err
	}
	defer b.Close()
	p, err := a.makePlan(ctx, cfg, req, b)
	return p, cfg, err
}

// askedNode reaches the node whose facts a plan uses, or gives nil if there is none to ask: a plan can do without; a run cannot.
func (a *app) askedNode(ctx context.Context, offline bool) (exec.Backend, error) {
	if offline {
		return nil, nil
	}
	b, err := a.connect(ctx)
	switch {
	case err == nil:
		return b, nil
	case ctx.Err() != nil || a.getenv("BUILDKIT_HOST") != "":
		return nil, a.orInterrupted(ctx, err)
	}
	fmt.Fprintf(a.err, "note: %v\nnote: the plan assumes a node and knows nothing of base images\n", err)
	return nil, nil
}
