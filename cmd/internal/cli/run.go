package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/cmd/internal/start"
	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/embedded"
	"github.com/xbuild/xbuild/exec/fingerprint"
	"github.com/xbuild/xbuild/exec/progress"
	"github.com/xbuild/xbuild/exec/record"
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
	force     bool
	jobs      string
	plan      string
	metadata  string
	failFast  bool
	history   bool
}

func (a *app) runCommand() *cobra.Command {
	var in inputFlags
	var f runFlags
	c := &cobra.Command{
		Use:   "run [TARGET...]",
		Short: "Build targets",
		Long: "Build targets and write their outputs. Nothing is written unless every build succeeds; only platforms that\n" +
			"are optional may be missing, and then the exit code is 5.\n\n" +
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
	in.registerAllow(c)
	c.Flags().StringVar(&f.progress, "progress", "auto", "how to show progress: "+strings.Join(progress.Modes(), ", "))
	in.bake.register(c)
	c.Flags().BoolVar(&f.print, "print", false, "print what would be built as JSON, like the command print")
	c.Flags().BoolVar(&f.force, "force", false, "ask BuildKit for every target, also for those of which nothing changed since they were built")
	c.Flags().StringVar(&f.list, "list", "", "list targets or variables in the form of docker buildx bake: a kind, or type=KIND,format=json")
	c.Flags().BoolVar(&f.keepGoing, "keep-going", false, "finish what does not depend on a failure")
	c.Flags().BoolVar(&f.failFast, "fail-fast", true, "stop everything at the first failure")
	c.MarkFlagsMutuallyExclusive("keep-going", "fail-fast")
	c.Flags().StringVar(&f.metadata, "metadata-file", "", "write digests and names of the images to this file, as JSON")
	c.Flags().BoolVar(&f.history, "history", true, "let BuildKit keep a record of each image and archive, which docker buildx history lists")
	c.Flags().StringVar(&f.plan, "plan", "", "run exactly the plan that \"plan --out\" saved in this file, if its inputs are unchanged")
	c.Flags().StringVarP(&f.jobs, "jobs", "j", "", "builds at the same time (default: no limit), or as in docker buildx bake [MODE][,parallel=N]:\n"+
		"fail-fast, defer-output, or defer-error, which is --keep-going")
	return c
}

func (a *app) run(ctx context.Context, in *inputFlags, f *runFlags, args []string) error {
	jobs, err := parseJobs(f.jobs)
	if err != nil {
		return &exitError{ExitUsage, err}
	}
	mode, err := progress.FromEnv(f.progress, a.getenv)
	if err != nil {
		return &exitError{ExitUsage, err}
	}
	events := a.err
	a.speak(mode)
	if err := in.checkAllow(); err != nil {
		return err
	}
	if err := embedded.DefaultConfig(a.getenv).Err(); err != nil {
		return &exitError{ExitUsage, err}
	}
	a.recoverOutputs()
	j, err := a.planToRun(ctx, in, f, args)
	if err != nil {
		return a.orInterrupted(ctx, err)
	}
	defer j.close()
	if j.backend != nil {
		if done, err := a.call(ctx, in, j); done || err != nil {
			return a.orInterrupted(ctx, err)
		}
	}
	if d := j.decision; d != nil && len(d.Unchanged) > 0 && mode != progress.Quiet && mode != progress.RawJSON {
		fmt.Fprint(a.err, unchangedText(d))
	}
	opt := exec.Options{NoCache: in.bake.noCache, Parallel: jobs.parallel, KeepGoing: f.keepGoing || !f.failFast || jobs.keepGoing, History: f.history}
	if opt.NoPolicies, err = in.policy.disabled(); err != nil {
		return err
	}
	if f.metadata != "" {
		opt.Provenance = a.metadataProvenance()
	}
	rep, err := a.execute(ctx, j, screen{mode, events}, opt)
	if err != nil {
		return err
	}
	a.summarize(rep, j.plan)
	err = a.finish(rep, j, mode)
	if f.metadata != "" && rep.Err == nil { // also if optional platforms are missing
		if werr := writeMetadata(f.metadata, j.plan, rep); werr != nil {
			return &exitError{ExitFailed, werr}
		}
	}
	return err
}

// screen is where progress goes, and how.
type screen struct {
	mode progress.Mode
	w    io.Writer
}

// job is a plan that is ready to be run.
type job struct {
	plan    *plan.Plan // empty if it was recalled that nothing has to run
	sources diag.Sources
	backend exec.Backend // nil if nothing has to run
	// decision says which builds need not run; nil for a saved plan, of which everything runs.
	decision *fingerprint.Decision
}

func (j *job) close() {
	if j.backend != nil {
		j.backend.Close()
	}
}

// execute runs what has to run, and remembers it.
func (a *app) execute(ctx context.Context, j *job, scr screen, opt exec.Options) (*exec.Report, error) {
	rep := &exec.Report{}
	part := j.plan
	if j.decision != nil {
		part = j.plan.Without(j.decision.Unchanged)
	}
	shown := part
	if scr.mode == progress.JSON { // a program wants all of it, what a person looks at is what is done
		shown = j.plan
	}
	display, err := progress.New(scr.mode, scr.w, shown, a.progressOptions(scr.w))
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	if j.backend != nil {
		if j.decision != nil {
			opt.Reading, opt.Read = j.decision.Reading, j.decision.Read
		}
		if raw, ok := display.(progress.RawDisplay); ok {
			opt.Status = raw.Status
		}
		start.Done()
		began := time.Now()
		r := exec.Start(ctx, part, j.backend, opt)
		for e := range r.Events() {
			display.Event(e)
		}
		rep = r.Wait()
		if err := record.NewStore(a.stateDir()).Add(record.Of(part, rep, began)); err != nil {
			fmt.Fprintf(a.err, "note: the run is not recorded: %v\n", err)
		}
		if scr.mode != progress.JSON {
			display.Close(rep)
		}
		if scr.mode != progress.Quiet && !scr.mode.ForPrograms() && rep.Err == nil {
			fmt.Fprint(a.err, pathsText(rep))
		}
	}
	if j.decision != nil {
		if j.backend != nil {
			if err := j.decision.Remember(rep); err != nil {
				fmt.Fprintf(a.err, "note: the next run cannot tell what is unchanged: %v\n", err)
			}
		}
		rep.Complete(j.plan, j.decision.Outputs)
	}
	if scr.mode == progress.JSON {
		display.Close(rep)
	}
	return rep, nil
}

// planToRun finds out what has to run and connects to a node for it, or takes the saved plan.
func (a *app) planToRun(ctx context.Context, in *inputFlags, f *runFlags, args []string) (*job, error) {
	if f.plan != "" {
		return a.savedToRun(ctx, in, f, args)
	}
	cfg, err := a.load(ctx, in, args)
	if err != nil {
		return nil, err
	}
	req, err := in.request(cfg, args)
	if err != nil {
		return nil, err
	}
	choices := plan.Choices(cfg, req)
	if err := a.checkGrants(in, cfg, choices); err != nil {
		return nil, err
	}
	if err := a.refusePolicies(in, choices, cfg.Sources, attributeOf(cfg)); err != nil {
		return nil, err
	}
	// The file of --metadata-file tells of images what only a build does.
	h, all := a.history(cfg), f.force || in.bake.noCache || f.metadata != "" || asks(cfg)
	allow := slices.Concat(in.allow, []string{a.getenv("BUILDX_BAKE_ENTITLEMENTS_FS"), a.getenv("BAKE_ALLOW_REMOTE_FS_ACCESS")})
	var g *guess
	if !all {
		if g = h.guess(ctx, cfg, req, allow); g != nil && len(g.decision.Why) == 0 {
			sources := plan.Sources(cfg, g.facts)
			a.warnUnknown(g.decision.Outputs)
			return &job{plan: cmp.Or(g.plan, &plan.Plan{}), sources: sources, decision: g.decision}, a.report(g.diags.Sorted(), sources)
		}
	}
	b, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	start.Planning(len(cfg.Targets))
	j, err := a.planFresh(ctx, cfg, req, b, h, g, allow)
	if err != nil {
		b.Close()
		return nil, err
	}
	if all {
		j.decision.Force()
	}
	if len(j.decision.Why) == 0 {
		b.Close()
		j.backend = nil
	}
	return j, nil
}

// asks reports whether a target is a question to its Dockerfile, which is asked every time.
func asks(cfg *schema.Config) bool {
	return slices.ContainsFunc(cfg.Targets, func(t *schema.Target) bool { return t.Base.Call != "" })
}

func (a *app) savedToRun(ctx context.Context, in *inputFlags, f *runFlags, args []string) (*job, error) {
	if len(args) > 0 || in.any() {
		return nil, &exitError{ExitUsage, errors.New("run --plan takes neither targets nor flags that choose or change them: the saved plan says what to build")}
	}
	if err := in.enter(); err != nil {
		return nil, err
	}
	p, inputs, sources, err := loadPlan(f.plan)
	if err != nil {
		return nil, err
	}
	if in.access, err = a.savedAccess(in, inputs); err != nil {
		return nil, err
	}
	needs := in.access.needs(p.Choices())
	if err := a.report(in.access.missing(needs, func(t, _ string) *diag.Range { return &p.Target(t).Range }), sources); err != nil {
		return nil, err
	}
	if err := a.refusePolicies(in, p.Choices(), sources, func(t, _ string) *diag.Range { return &p.Target(t).Range }); err != nil {
		return nil, err
	}
	b, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = checkNode(ctx, f.plan, p, b); err != nil {
		b.Close()
		return nil, err
	}
	return &job{plan: p, sources: sources, backend: b}, nil
}

// orInterrupted tells an interrupt from the error that it caused.
func (a *app) orInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{ExitInterrupted, errors.New("interrupted; nothing was written")}
	}
	return err
}

// failedCode is the exit code of a run that failed: that of a wrong build file if all that failed was refused.
func failedCode(failures []*exec.Failure) int {
	refused := func(f *exec.Failure) bool { return f.Kind == exec.PolicyUnsupported }
	if len(failures) > 0 && !slices.ContainsFunc(failures, func(f *exec.Failure) bool { return !refused(f) }) {
		return ExitUsage
	}
	return ExitFailed
}

// finish prints the failures or the results of a run.
func (a *app) finish(rep *exec.Report, j *job, mode progress.Mode) error {
	if rep.Interrupted {
		return &exitError{ExitInterrupted, errors.New("interrupted; nothing was written")}
	}
	p := j.plan
	if mode != progress.JSON { // whose events have told
		if rep.Err != nil {
			a.printFailures(rep.Failures, diag.Error, j)
		}
		a.printFailures(rep.Missing, diag.Warning, j)
		a.printWarnings(rep.Warnings, j)
	}
	if rep.Err != nil {
		if len(rep.Outputs) > 0 && mode != progress.JSON { // only the last phase of a run can fail with something done
			fmt.Fprintf(a.err, "done before that:\n%s", resultsText(rep, p))
		}
		if mode != progress.JSON {
			fmt.Fprint(a.err, withheldText(rep, p))
		}
		return &exitError{code: failedCode(rep.Failures)}
	}
	out := a.out
	if slices.ContainsFunc(rep.Outputs, func(o exec.OutputResult) bool { return o.Dest == schema.Stdout }) {
		out = a.err // standard output has the archive
	}
	fmt.Fprint(out, resultsText(rep, p))
	fmt.Fprint(a.err, notesText(rep), fallbackText(rep))
	if missing := missingText(rep, p); missing != "" {
		return &exitError{ExitMissing, errors.New(strings.TrimSuffix(missing, "\n"))}
	}
	return nil
}

// printWarnings prints what the results of a run have to be looked at for, whatever the display shows.
func (a *app) printWarnings(list []exec.Warning, j *job) {
	var l diag.List
	for _, w := range list {
		d := diag.Diagnostic{Severity: diag.Warning, Code: "wrong-machine", Summary: "A program is for another machine than its platform", Detail: w.Text + "."}
		if t := j.plan.Target(w.Target); t != nil {
			d.Subject = &t.Range
		}
		l = append(l, d)
	}
	if len(l) > 0 {
		fmt.Fprint(a.err, diag.Text(l, j.sources))
		a.annotate(l, nil)
	}
}

func (a *app) printFailures(list []*exec.Failure, severity diag.Severity, j *job) {
	for _, f := range list {
		fmt.Fprint(a.err, a.failureText(f, severity, j.plan, j.sources))
		a.annotate(diag.List{failureDiagnostic(f, severity, j.plan)}, f.Log)
	}
}
