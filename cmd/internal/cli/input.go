package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/hcl"
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
}

func (f *inputFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringArrayVarP(&f.files, "file", "f", nil, "build file (default: xbuild.hcl here or in the nearest folder above)")
	fl.StringVarP(&f.dir, "directory", "C", "", "work as if started in this folder")
	fl.StringArrayVar(&f.vars, "var", nil, "set a variable: NAME=VALUE")
	fl.StringArrayVar(&f.sets, "set", nil, "override an attribute: TARGET.KEY=VALUE, TARGET may be a pattern")
	fl.StringSliceVar(&f.platforms, "platform", nil, "build only these of the declared platforms")
	fl.StringVar(&f.strategy, "strategy", "", "strategy of every target: "+strategyNames())
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
	return len(f.files)+len(f.sets)+len(f.vars)+len(f.platforms) > 0 || f.strategy != ""
}

// load reads the build file. Problems are printed; the error then only carries the exit code.
func (a *app) load(f *inputFlags) (*schema.Config, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	paths := f.files
	if len(paths) == 0 {
		found, err := hcl.Find(dir)
		if err != nil {
			return nil, &exitError{ExitUsage, err}
		}
		paths = []string{found}
	}
	vars := map[string]string{}
	for _, v := range f.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, &exitError{ExitUsage, fmt.Errorf("--var %s: want NAME=VALUE", v)}
		}
		vars[name] = value
	}
	var files []*hcl.File
	var diags diag.List
	sources := diag.Sources{}
	for _, p := range paths {
		abs := p
		if !filepath.IsAbs(abs) {
			abs = filepath.Join(dir, p)
		}
		text, err := os.ReadFile(abs)
		if err != nil {
			return nil, &exitError{ExitUsage, fmt.Errorf("the build file %s cannot be read: %w", p, errText(err))}
		}
		name := abs
		if rel, err := filepath.Rel(dir, abs); err == nil && len(rel) < len(abs) {
			name = rel
		}
		sources[name] = text
		file, d := hcl.Parse(name, abs, text)
		diags = append(diags, d...)
		if file != nil {
			files = append(files, file)
		}
	}
	if diags.HasErrors() {
		return nil, a.report(diags.Sorted(), sources)
	}
	cfg, diags := hcl.Load(files, hcl.Env{Dir: dir, Getenv: os.LookupEnv, Vars: vars, Sets: f.sets})
	if cfg != nil && cfg.Sources != nil {
		sources = cfg.Sources
	}
	return cfg, a.report(diags, sources)
}

// request turns the command line into what to plan.
func (f *inputFlags) request(targets []string) (plan.Request, error) {
	req := plan.Request{Targets: targets, Strategy: schema.Strategy(f.strategy)}
	for _, s := range f.platforms {
		p, err := schema.ParsePlatform(s)
		if err != nil {
			return req, &exitError{ExitUsage, fmt.Errorf("--platform: %w", err)}
		}
		req.Platforms = append(req.Platforms, p)
	}
	if f.strategy == "" {
		return req, nil
	}
	for _, s := range schema.Strategies {
		if s == req.Strategy {
			return req, nil
		}
	}
	return req, &exitError{ExitUsage, fmt.Errorf("--strategy %s: want one of %s", f.strategy, strategyNames())}
}

// errText drops the operation and path that os errors repeat.
func errText(err error) error {
	var pe *os.PathError
	if ok := asPathError(err, &pe); ok {
		return pe.Err
	}
	return err
}
