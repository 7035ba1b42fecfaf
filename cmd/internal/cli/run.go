package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/progress"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// runFlags are the flags of run beside those that say what to build.
type runFlags struct {
	progress  string
	print     bool
	list      string
	keepGoing bool
	jobs      int
	plan      string
	allow     []string
	metadata  string
	failFast  bool
}

func (a *app) runCommand() *cobra.Command {
	var in inputFlags
	var f runFlags
	c := &cobra.Command{
		Use:   "run [TARGET...]",
		Short: "Build targets",
		Long: "Build targets and write their outputs. Nothing is written unless every build succeeds.\n\n" +
			"TARGET is a target or a group, TARGET@PLATFORM one platform of a target; without one, \"default\".\n\n" + remoteHelp,
		RunE: func(c *cobra.Command, args []string) error {
			args = in.takeRemote(args)
			switch {
			case f.list != "" && f.print:
				return &exitError{ExitUsage, errors.New("--list and --print do not go together")}
			case f.list != "":
				l, err := parseListing(f.list)
				if err != nil {
					return err
				}
				return a.list(c.Context(), &in, l)
			case f.print:
				return a.print(c, &in, args)
			}
			sets, err := in.bake.sets(c, "no-cache") // which is an option of the run
			if err != nil {
				return err
			}
			in.sets = append(in.sets, sets...)
			return a.run(c.Context(), &in, &f, args)
		},
	}
	in.register(c)
	c.Flags().StringVar(&f.progress, "progress", "auto", "how to show progress: "+strings.Join(progress.Modes(), ", "))
	in.bake.register(c)
	c.Flags().BoolVar(&f.print, "print", false, "print what would be built as JSON, like the command print")
	c.Flags().StringVar(&f.list, "list", "", "list targets or variables in the form of docker buildx bake: a kind, or type=KIND,format=json")
	c.Flags().BoolVar(&f.keepGoing, "keep-going", false, "finish what does not depend on a failure")
	c.Flags().BoolVar(&f.failFast, "fail-fast", true, "stop everything at the first failure")
	c.MarkFlagsMutuallyExclusive("keep-going", "fail-fast")
	c.Flags().StringVar(&f.metadata, "metadata-file", "", "write digests and names of the images to this file, as JSON")
	c.Flags().StringVar(&f.plan, "plan", "", "run exactly the plan that \"plan --out\" saved in this file, if its inputs are unchanged")
	c.Flags().StringSliceVar(&f.allow, "allow", nil, "grant a privilege that targets ask for: "+strings.Join(grantable, ", "))
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, "builds at the same time (default: no limit)")
	return c
}

func (a *app) run(ctx context.Context, in *inputFlags, f *runFlags, args []string) error {
	if f.jobs < 0 {
		return &exitError{ExitUsage, fmt.Errorf("-j %d: want a positive number", f.jobs)}
	}
	if !validMode(f.progress) {
		return &exitError{ExitUsage, fmt.Errorf("--progress %s: want one of %s", f.progress, strings.Join(progress.Modes(), ", "))}
	}
	if err := checkAllow(f.allow); err != nil {
		return err
	}
	p, sources, b, err := a.planToRun(ctx, in, f, args)
	if err != nil {
		return a.orInterrupted(ctx, err)
	}
	defer b.Close()
	if done, err := a.call(ctx, p, b, in.bake.callOptions(), sources); done || err != nil {
		return a.orInterrupted(ctx, err)
	}
	display, err := progress.New(progress.Mode(f.progress), a.err, p, a.progressOptions())
	if err != nil {
		return &exitError{ExitUsage, err}
	}
	r := exec.Start(ctx, p, b, exec.Options{NoCache: in.bake.noCache, Parallel: f.jobs, KeepGoing: f.keepGoing || !f.failFast})
	for e := range r.Events() {
		display.Event(e)
	}
	rep := r.Wait()
	display.Close(rep)
	if f.progress != string(progress.Quiet) && rep.Err == nil {
		fmt.Fprint(a.err, pathsText(rep))
	}
	if err := a.finish(rep, p, sources); err != nil || f.metadata == "" {
		return err
	}
	if err := writeMetadata(f.metadata, p, rep); err != nil {
		return &exitError{ExitFailed, err}
	}
	return nil
}

// planToRun connects to a node and plans for it, or takes the saved plan.
func (a *app) planToRun(ctx context.Context, in *inputFlags, f *runFlags, args []string) (*plan.Plan, diag.Sources, exec.Backend, error) {
	if f.plan != "" {
		return a.savedToRun(ctx, in, f, args)
	}
	cfg, err := a.load(ctx, in, args)
	if err != nil {
		return nil, nil, nil, err
	}
	req, err := in.request(cfg, args)
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if b.Engine() {
		loadByDefault(cfg)
	}
	p, err := a.makePlan(ctx, cfg, req, b)
	if err == nil {
		err = a.report(checkGrants(p, func(t, attr string) *diag.Range { return cfg.Target(t).At(attr) }, f.allow), cfg.Sources)
	}
	if err != nil {
		b.Close()
		return nil, nil, nil, err
	}
	return p, cfg.Sources, b, nil
}

// loadByDefault gives targets of Bake's files that name no output the one that they have on a Docker Engine: its image store.
func loadByDefault(cfg *schema.Config) {
	if cfg.Requested == nil { // not Bake's
		return
	}
	for _, t := range cfg.Targets {
		if len(t.Base.Outputs) == 0 {
			t.Base.Outputs = []schema.Output{{Type: schema.OutputDocker}}
		}
	}
}

func (a *app) savedToRun(ctx context.Context, in *inputFlags, f *runFlags, args []string) (*plan.Plan, diag.Sources, exec.Backend, error) {
	if len(args) > 0 || in.any() {
		return nil, nil, nil, &exitError{ExitUsage, errors.New("run --plan takes neither targets nor flags that choose or change them: the saved plan says what to build")}
	}
	if err := in.enter(); err != nil {
		return nil, nil, nil, err
	}
	p, sources, err := loadPlan(f.plan)
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	err = checkNode(ctx, f.plan, p, b)
	if err == nil {
		err = a.report(checkGrants(p, func(t, _ string) *diag.Range { return &p.Target(t).Range }, f.allow), sources)
	}
	if err != nil {
		b.Close()
		return nil, nil, nil, err
	}
	return p, sources, b, nil
}

func validMode(m string) bool {
	for _, x := range progress.Modes() {
		if x == m {
			return true
		}
	}
	return false
}

// orInterrupted tells an interrupt from the error that it caused.
func (a *app) orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{ExitInterrupted, errors.New("interrupted; nothing was written")}
	}
	return err
}

// finish prints the failures or the results of a run.
func (a *app) finish(rep *exec.Report, p *plan.Plan, src diag.Sources) error {
	if rep.Interrupted {
		return &exitError{ExitInterrupted, errors.New("interrupted; nothing was written")}
	}
	if rep.Err != nil {
		for _, f := range rep.Failures {
			fmt.Fprint(a.err, failureText(f, diag.Error, p, src))
		}
	}
	for _, f := range rep.Missing {
		fmt.Fprint(a.err, failureText(f, diag.Warning, p, src))
	}
	if rep.Err != nil {
		if len(rep.Outputs) > 0 { // only the last phase of a run can fail with something done
			fmt.Fprintf(a.err, "done before that:\n%s", resultsText(rep, p))
		}
		return &exitError{code: ExitFailed}
	}
	out := a.out
	if slices.ContainsFunc(rep.Outputs, func(o exec.OutputResult) bool { return o.Dest == schema.Stdout }) {
		out = a.err // standard output has the archive
	}
	fmt.Fprint(out, resultsText(rep, p))
	if missing := missingText(rep, p); missing != "" {
		return &exitError{ExitMissing, errors.New(strings.TrimSuffix(missing, "\n"))}
	}
	return nil
}
