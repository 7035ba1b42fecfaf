package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// planFlags are the flags of plan beside those that say what to plan.
type planFlags struct {
	format, out          string
	diff, write, offline bool
	detailed             bool
}

func (a *app) planCommand() *cobra.Command {
	var in inputFlags
	var f planFlags
	c := &cobra.Command{
		Use:   "plan [TARGET...]",
		Short: "Show what would run where, and why",
		Long: "Show every stage on every platform: its kind, its place and the reason.\n\n" +
			"TARGET is a target or a group, TARGET@PLATFORM one platform of a target; without one, \"default\".\n\n" +
			"--write edits the Dockerfiles of the targets for good: where cross-compiling is sound for all stages of the file and all\n" +
			"targets that use it. --out saves the plan for \"xbuild run --plan\".\n\n" +
			"With --detailed-exitcode the exit code is 3 if something differs: with --out, the plan from the one that the file held\n" +
			"before; else, a Dockerfile as it is built from the file as it is written (--diff prints that, --write ends it).",
		RunE: func(c *cobra.Command, args []string) error {
			args = in.takeRemote(args)
			switch {
			case f.out != "" && in.remote.url != "":
				return &exitError{ExitUsage, errors.New("--out saves plans of build files on this machine only: nothing could tell later whether others have changed")}
			case f.format != "text" && f.format != "json":
				return &exitError{ExitUsage, fmt.Errorf("--format %s: want text or json", f.format)}
			case f.write && (f.diff || f.out != "" || f.format != "text"):
				return &exitError{ExitUsage, errors.New("--write goes with neither --diff nor --out nor --format")}
			case f.write:
				return a.planWrite(c.Context(), &in, &f, args)
			}
			return a.plan(c.Context(), &in, &f, args)
		},
	}
	in.register(c)
	in.registerAllow(c)
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	c.Flags().BoolVar(&f.diff, "diff", false, "print the change to the Dockerfile as a unified diff")
	c.Flags().BoolVar(&f.write, "write", false, "make that change in the Dockerfile, for all of its stages")
	c.Flags().StringVar(&f.out, "out", "", "save the plan to this file, for run --plan")
	c.Flags().BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 3 if something differs, see above")
	c.Flags().BoolVar(&f.offline, "offline", false, "ask no BuildKit; assume linux and this machine's architecture")
	return c
}

func (a *app) plan(ctx context.Context, in *inputFlags, f *planFlags, args []string) error {
	var edits []plan.Edit
	p, cfg, err := a.planFor(ctx, in, args, f.offline, func(cfg *schema.Config, req plan.Request, b exec.Backend) (err error) {
		if f.diff {
			edits, err = a.edits(ctx, in, cfg, req, b)
		}
		return err
	})
	if p == nil {
		return err
	}
	switch {
	case f.diff:
		fmt.Fprint(a.out, planDiff(p, edits))
		for _, e := range edits {
			fmt.Fprint(a.err, keptText(e), vouchedDiff(p, e))
		}
	case f.format == "json":
		j, jerr := json.MarshalIndent(p, "", "  ")
		if jerr != nil {
			return jerr
		}
		fmt.Fprintf(a.out, "%s\n", j)
	default:
		a.printStyled(planText(p, a.color(a.out)))
	}
	if err == nil {
		err = a.noteGrants(in, p, cfg)
	}
	if err != nil {
		return err
	}
	differs := adapted(p)
	if f.out != "" {
		if differs, err = a.savePlan(f.out, p, cfg); err != nil {
			return err
		}
	}
	if f.detailed && differs {
		return &exitError{code: ExitChanged}
	}
	return nil
}

// planFor plans what the command line asks for. Also is called with what the plan is made of, before it is made; nil for
// nothing. The plan may be there together with an error, to be shown; it is nil if there is nothing to show.
func (a *app) planFor(ctx context.Context, in *inputFlags, args []string, offline bool,
	also func(*schema.Config, plan.Request, exec.Backend) error) (*plan.Plan, *schema.Config, error) {
	cfg, err := a.load(ctx, in, args)
	if err != nil {
		return nil, nil, err
	}
	req, err := in.request(cfg, args)
	if err != nil {
		return nil, nil, err
	}
	choices := plan.Choices(cfg, req)
	if err := a.checkReading(in, cfg, choices); err != nil {
		return nil, nil, err
	}
	if err := a.refusePolicies(in, choices, cfg.Sources, attributeOf(cfg)); err != nil {
		return nil, nil, err
	}
	b, done, err := a.askedNode(ctx, offline)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	if also != nil {
		if err := also(cfg, req, b); err != nil {
			return nil, nil, err
		}
	}
	p, err := a.makePlan(ctx, cfg, req, choices, b)
	if err == nil && p != nil {
		err = a.report(refusedOutputs(ctx, cfg, p, b), cfg.Sources)
	}
	return p, cfg, err
}

// askedNode reaches the node whose facts a plan uses; nil if there is none to ask: a plan can do without, a run cannot. The
// caller must call done.
func (a *app) askedNode(ctx context.Context, offline bool) (b exec.Backend, done func(), err error) {
	if offline {
		return nil, func() {}, nil
	}
	be, err := a.connect(ctx)
	switch {
	case err == nil:
		return be, func() { be.Close() }, nil
	case ctx.Err() != nil || a.getenv("BUILDKIT_HOST") != "":
		return nil, nil, a.orInterrupted(ctx, err)
	}
	fmt.Fprintf(a.err, "note: %v\nnote: the plan assumes a node and knows nothing of base images\n", err)
	return nil, func() {}, nil
}
