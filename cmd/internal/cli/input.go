package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/xbuild/xbuild/cmd/internal/git"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/internal/regular"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// inputFlags say what to build; every command that reads a build file has them.
type inputFlags struct {
	files     []string
	dir       string
	sets      []string
	vars      []string
	platforms []string
	strategy  string
	// partialTags allows a tag of several platforms to be pushed for some of them.
	partialTags bool

	remote remoteSource
	allow  []string
	policy policyFlag
	// access is what the build files may use of this machine; it is there once they are read.
	access *access

	bake bakeFlags
}

// register adds the flags to a command that plans.
func (f *inputFlags) register(c *cobra.Command) {
	f.registerFiles(c)
	f.registerSets(c)
	f.policy.register(c)
	fl := c.Flags()
	fl.StringSliceVar(&f.platforms, "platform", nil, "build only these of the declared platforms")
	fl.BoolVar(&f.partialTags, "allow-partial-tags", false, "push a tag of several platforms although only some of them are built (xbuild.hcl)")
	fl.StringVar(&f.strategy, "strategy", "", "strategy of every target: "+strategyNames()+", or strategy.NAME")
}

// registerFiles adds the flags that say which build files to read, and their variables.
func (f *inputFlags) registerFiles(c *cobra.Command) {
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringArrayVarP(&f.files, "file", "f", nil, "build file, - for standard input (default: xbuild.hcl, else Bake's files here, else xbuild.hcl in the nearest folder above)")
	fl.StringVarP(&f.dir, "directory", "C", "", "work as if started in this folder")
	fl.StringArrayVar(&f.vars, "var", nil, "set a variable: NAME=VALUE")
}

func (f *inputFlags) registerSets(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.sets, "set", nil, "override an attribute: TARGET.KEY=VALUE, TARGET may be a pattern")
}

// bakeFlags are Bake's short forms of --set.
type bakeFlags struct {
	push, load, noCache, pull, check bool
	sbom, provenance, call           string
}

// register adds the flags to a command.
func (f *bakeFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.BoolVar(&f.push, "push", false, "push the images of all targets: --set *.push=true")
	fl.BoolVar(&f.load, "load", false, "load the images of all targets into the Docker Engine: --set *.load=true")
	fl.BoolVar(&f.noCache, "no-cache", false, "run every step, cached or not: --set *.no-cache=true")
	fl.BoolVar(&f.pull, "pull", false, "ask the registry for the base images: --set *.pull=true")
	fl.StringVar(&f.sbom, "sbom", "", "true, false or options: --set *.attest=type=sbom,...")
	fl.StringVar(&f.provenance, "provenance", "", "true, false or options: --set *.attest=type=provenance,...")
	fl.StringVar(&f.call, "call", "build", "what to do with the Dockerfiles: build, check, outline, targets")
	fl.BoolVar(&f.check, "check", false, "short for --call=check")
}

// sets are the overrides that the flags stand for, in the order in which Bake appends them to those of --set. except names
// flags that are no override here.
func (f *bakeFlags) sets(c *cobra.Command, except ...string) ([]string, error) {
	var out []string
	if f.push {
		out = append(out, "*.push=true")
	}
	if f.load {
		out = append(out, "*.load=true")
	}
	call, err := f.callName()
	if err != nil {
		return nil, err
	}
	if call != "" {
		out = append(out, "*.call="+call)
	}
	for _, b := range []struct {
		name string
		on   bool
	}{{"no-cache", f.noCache}, {"pull", f.pull}} {
		if fl := c.Flags().Lookup(b.name); fl.Changed && !slices.Contains(except, b.name) {
			out = append(out, fmt.Sprintf("*.%s=%t", b.name, b.on))
		}
	}
	for _, a := range []struct{ name, value string }{{"sbom", f.sbom}, {"provenance", f.provenance}} {
		if a.value == "" {
			continue
		}
		if on, err := strconv.ParseBool(a.value); err == nil {
			a.value = fmt.Sprintf("disabled=%t", !on)
		}
		out = append(out, fmt.Sprintf("*.attest=type=%s,%s", a.name, a.value))
	}
	return out, nil
}

// callName is what --call asks of the Dockerfiles, empty for a build. The value is a name, or CSV with options that say how
// to show the answer.
func (f *bakeFlags) callName() (string, error) {
	if f.check {
		return "lint", nil
	}
	fields, err := csvvalue.Fields(f.call, nil)
	if err != nil && f.call != "" {
		return "", &exitError{ExitUsage, fmt.Errorf("--call %s: not a comma-separated list", f.call)}
	}
	name := ""
	for _, field := range fields {
		k, v, option := strings.Cut(field, "=")
		var bad bool
		switch {
		case !option && name != "":
			return "", &exitError{ExitUsage, fmt.Errorf("--call %s: there are two names, %q and %q", f.call, name, field)}
		case !option:
			name = field
		case k == "format":
		case k == "ignorestatus":
			_, err := strconv.ParseBool(v)
			bad = err != nil
		default:
			bad = true
		}
		if bad {
			return "", &exitError{ExitUsage, fmt.Errorf("--call %s: %q is neither format=... nor ignorestatus=true", f.call, field)}
		}
	}
	switch name {
	case "build":
		return "", nil
	case "check":
		return "lint", nil
	}
	return name, nil
}

func strategyNames() string {
	var s []string
	for _, m := range schema.Strategies {
		s = append(s, string(m))
	}
	return strings.Join(s, ", ")
}

// enter goes to the folder of -C.
func (f *inputFlags) enter() error {
	if f.dir == "" {
		return nil
	}
	if err := os.Chdir(f.dir); err != nil {
		return &exitError{ExitUsage, fmt.Errorf("-C %s: not a folder that can be entered", f.dir)}
	}
	return nil
}

// any reports whether a flag says what to build, or how.
func (f *inputFlags) any() bool {
	return len(f.files)+len(f.sets)+len(f.vars)+len(f.platforms) > 0 || f.strategy != "" || f.remote.url != ""
}

// definition is the build files that a command line names, and the world to read them in.
type definition struct {
	files []*hcl.File
	env   hcl.Env
	// sources are the texts of all files, also of those that could not be parsed, which are not among files.
	sources diag.Sources
}

// read reads the build files. Problems are printed; the error then only carries the exit code.
func (a *app) read(ctx context.Context, f *inputFlags, targets []string) (*definition, error) {
	def, diags, err := a.parse(ctx, f, targets)
	if err != nil {
		return nil, err
	}
	if diags.HasErrors() {
		return nil, a.report(diags, def.sources)
	}
	return def, nil
}

// parse reads the build files and their syntax. The error is about what is no fault of a build file's text.
func (a *app) parse(ctx context.Context, f *inputFlags, targets []string) (*definition, diag.List, error) {
	if err := f.enter(); err != nil {
		return nil, nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, nil, &exitError{ExitUsage, err}
	}
	def := &definition{sources: diag.Sources{}}
	if def.env, err = f.env(dir, targets); err != nil {
		return nil, nil, err
	}
	def.env.Hide = a.hide
	files, err := a.texts(ctx, f, def, dir)
	if err != nil {
		return nil, nil, err
	}
	var diags diag.List
	var names []string
	for _, t := range files {
		names = append(names, t.name)
		if len(t.text) == 0 && hcl.Dialect(t.path) == schema.BakeDialect {
			continue // as if it were not there
		}
		def.sources[t.name] = t.text
		file, d := hcl.Parse(t.name, t.path, t.text)
		diags = append(diags, d...)
		if file != nil {
			def.files = append(def.files, file)
		}
	}
	if len(def.sources) == 0 {
		return nil, nil, &exitError{ExitUsage, fmt.Errorf("the build files are empty: %s", strings.Join(names, ", "))}
	}
	return def, diags.Sorted(), nil
}

// textFile is a build file that was read.
type textFile struct {
	name string // how diagnostics call it
	path string // absolute
	text []byte
}

// texts reads the build files, from the remote source first.
func (a *app) texts(ctx context.Context, f *inputFlags, def *definition, dir string) ([]textFile, error) {
	var out []textFile
	paths := f.named(a.getenv)
	if f.remote.url != "" {
		var there []string
		var err error
		there, paths = splitLocal(paths)
		if out, def.env.Source, err = a.readRemote(ctx, f.remote, dir, there); err != nil {
			return nil, err
		}
		def.env.CmdContext, def.env.Remote = f.remote.cmdContext, true
	} else if len(paths) == 0 {
		var err error
		if paths, err = a.find(dir); err != nil {
			return nil, &exitError{ExitUsage, err}
		}
	}
	for _, p := range paths {
		t, err := a.readFile(ctx, dir, p)
		if err != nil {
			return nil, a.orInterrupted(ctx, &exitError{ExitUsage, err})
		}
		if slices.ContainsFunc(out, func(o textFile) bool { return o.name == t.name && o.path != t.path }) {
			t.name = "./" + t.name // the source has a file of this name
		}
		out = append(out, t)
	}
	var err error
	if f.access, err = a.newAccess(f, dir, out); err != nil {
		return nil, err
	}
	f.access.guard(&def.env, out)
	if f.remote.url != "" {
		a.remoteWorld(ctx, &def.env, f.remote, len(out) > 0 && hcl.Dialect(out[0].path) == schema.XbuildDialect)
	}
	return out, nil
}

// env is the world in which the build files are evaluated.
func (f *inputFlags) env(dir string, targets []string) (hcl.Env, error) {
	env := hcl.Env{Dir: dir, Strategy: schema.Strategy(f.strategy), Getenv: os.LookupEnv, Environ: os.Environ, Vars: map[string]string{}, Sets: f.sets,
		LocalPlatform: localPlatform(), Stat: os.Stat, Git: git.At(dir), StdoutIsTerminal: isTerminal(os.Stdout)}
	const relative = "BUILDX_BAKE_FILE_RELATIVE_PATHS"
	if v := strings.TrimSpace(os.Getenv(relative)); v != "" {
		if _, err := strconv.ParseBool(v); err != nil {
			return env, &exitError{ExitUsage, fmt.Errorf("the environment variable %s is %q, which is neither true nor false", relative, v)}
		}
	}
	for _, t := range targets {
		name, _, _ := strings.Cut(t, "@")
		env.Targets = append(env.Targets, name)
	}
	if len(targets) == 0 {
		env.Targets = []string{"default"}
	}
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return env, &exitError{ExitUsage, fmt.Errorf("--var %s: want NAME=VALUE", v)}
		}
		env.Vars[name] = value
	}
	return env, nil
}

// named are the build files that the command line names, else those that the environment names.
func (f *inputFlags) named(getenv func(string) string) []string {
	if len(f.files) > 0 {
		return f.files
	}
	list, sep := getenv("BUILDX_BAKE_FILE"), getenv("BUILDX_BAKE_PATH_SEPARATOR")
	if sep == "" {
		sep = string(os.PathListSeparator)
	}
	var out []string
	for _, p := range strings.Split(list, sep) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// find finds the build files to read when none is named.
func (a *app) find(dir string) ([]string, error) {
	files, ignored, err := hcl.FindAll(dir, a.trusted)
	for _, p := range ignored {
		fmt.Fprintf(a.err, "xbuild: %s is read; %s beside it is ignored, unless -f names it\n", filepath.Base(files[0]), filepath.Base(p))
	}
	for i, p := range files {
		if rel, err := filepath.Rel(dir, p); err == nil && len(rel) < len(p) {
			files[i] = rel
		}
	}
	return files, err
}

// readStdin reads a build file from standard input, which may never end: an interrupt ends the wait.
func readStdin(ctx context.Context) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	stdin := os.Stdin
	go func() {
		text, err := regular.Read(stdin, "standard input", 0)
		done <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		if r.err != nil {
			r.err = fmt.Errorf("the build file cannot be read from standard input: %w", r.err)
		}
		return r.text, r.err
	}
}

// readFile reads one build file of this machine; diagnostics call it as it is named here.
func (a *app) readFile(ctx context.Context, dir, p string) (textFile, error) {
	p, _ = schema.CutWorkingDir(p)
	if p == "-" {
		text, err := readStdin(ctx)
		return textFile{"-", filepath.Join(dir, "-"), text}, err
	}
	abs := p
	if !filepath.IsAbs(abs) {
		abs = filepath.Join(dir, p)
	}
	text, err := regular.ReadFile(abs)
	if err != nil {
		return textFile{}, fmt.Errorf("the build file %s cannot be read: %w", p, errText(err))
	}
	return textFile{p, abs, text}, nil
}

// localPlatform is the platform of this process.
func localPlatform() string {
	return schema.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}.String()
}

// load reads and evaluates the build files. Problems are printed; the error then only carries the exit code.
func (a *app) load(ctx context.Context, f *inputFlags, targets []string) (*schema.Config, error) {
	def, err := a.read(ctx, f, targets)
	if err != nil {
		return nil, err
	}
	cfg, diags := hcl.Load(def.files, def.env)
	cfg = a.withGitCredentials(f.remote, cfg)
	return cfg, a.report(diags, cfg.Sources)
}

// request turns the command line into what to plan. Which targets Bake's groups and patterns mean, the front end knows.
func (f *inputFlags) request(cfg *schema.Config, targets []string) (plan.Request, error) {
	req := plan.Request{Targets: targets, Strategy: schema.Strategy(f.strategy), PartialTags: f.partialTags}
	if cfg.Bake() {
		req.Targets = slices.Clone(cfg.Requested)
		for _, t := range targets {
			name, _, ok := strings.Cut(t, "@")
			if !ok {
				continue
			}
			if cfg.Target(name) == nil {
				return req, &exitError{ExitUsage, fmt.Errorf("%s: a platform can only be asked for of a single target", t)}
			}
			if !slices.Contains(targets, name) {
				req.Targets = slices.DeleteFunc(req.Targets, func(s string) bool { return s == name })
			}
			req.Targets = append(req.Targets, t)
		}
	}
	for _, s := range f.platforms {
		p, err := schema.ParsePlatform(s)
		if err != nil {
			return req, &exitError{ExitUsage, fmt.Errorf("--platform: %w", err)}
		}
		req.Platforms = append(req.Platforms, p)
	}
	return req, f.checkStrategy(cfg)
}

// checkStrategy refuses a strategy that is neither a mode nor a block of the build files.
func (f *inputFlags) checkStrategy(cfg *schema.Config) error {
	s := schema.Strategy(f.strategy)
	if s == "" || slices.Contains(schema.Strategies, s) || cfg.StrategyBlock(s) != nil {
		return nil
	}
	names := strategyNames()
	for _, b := range cfg.Strategies {
		names += ", " + string(b.Ref())
	}
	return &exitError{ExitUsage, fmt.Errorf("--strategy %s: want one of %s", f.strategy, names)}
}

// errText drops the operation and path that os errors repeat.
func errText(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
