package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/cmd/internal/entitle"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// registerAllow adds the flag of commands that build, or plan to.
func (f *inputFlags) registerAllow(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.allow, "allow", nil, "let the build do this: "+strings.Join(entitle.Keys, ", ")+"; fs.read, fs.write and fs (both) are of the form fs=PATH")
}

// checkAllow refuses grants that mean nothing.
func (f *inputFlags) checkAllow() error {
	if _, err := entitle.Parse(f.allow, entitle.World{}); err != nil {
		return &exitError{ExitUsage, err}
	}
	return nil
}

// missingGrants reports what a plan needs and the command line does not grant; the last says which flags grant it all. The
// build files are local if they are not Bake's and were written on this machine; at finds an attribute of a target.
func (a *app) missingGrants(in *inputFlags, p *plan.Plan, local bool, at func(target, attr string) *diag.Range) (diag.List, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	w := entitle.World{Dir: dir, Real: realPath}
	grants, err := entitle.Parse(in.allow, w)
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	paths, err := a.pathsCount(in, local)
	if err != nil {
		return nil, &exitError{ExitUsage, err}
	}
	var needs []entitle.Need
	for _, b := range p.Builds {
		needs = append(needs, entitle.Needs(b.Target, b.Values, w, paths)...)
	}
	missing := grants.FromSets(in.sets, w).Missing(needs, w)
	var out diag.List
	for _, n := range missing {
		summary := "A target asks for a privilege that it was not granted"
		if n.Key == entitle.Read || n.Key == entitle.Write {
			summary = "A target reaches outside the working directory"
		}
		out = out.Errorf("not-granted", at(n.Target, n.Attr), summary, "The target %q %s.", n.Target, n.Describe(w))
	}
	out = out.Sorted()
	if len(out) > 0 {
		out[len(out)-1].Advice = "If you trust the build file, add " + strings.Join(entitle.Flags(missing, w), " ")
	}
	return out, nil
}

// pathsCount tells whether files outside the working directory must be granted: they must for Bake's files, and for files
// from elsewhere, unless the environment says no. Who wrote an xbuild.hcl here means what it says.
func (a *app) pathsCount(in *inputFlags, local bool) (bool, error) {
	off := map[string]bool{"BUILDX_BAKE_ENTITLEMENTS_FS": false}
	if in.remote.url != "" {
		off["BAKE_ALLOW_REMOTE_FS_ACCESS"] = true
	}
	for name, value := range off {
		s := a.getenv(name)
		if s == "" {
			continue
		}
		b, err := strconv.ParseBool(s)
		if err != nil {
			return false, fmt.Errorf("%s=%s in the environment: want true or false", name, s)
		}
		if b == value {
			return false, nil
		}
	}
	return !local || in.remote.url != "", nil
}

// local reports whether a build comes from an xbuild.hcl. The last file is one that was found or named.
func local(cfg *schema.Config) bool {
	return len(cfg.Files) > 0 && hcl.Dialect(cfg.Files[len(cfg.Files)-1]) == schema.XbuildDialect
}

// attributeOf finds attributes in the build files.
func attributeOf(cfg *schema.Config) func(target, attr string) *diag.Range {
	return func(target, attr string) *diag.Range { return cfg.Target(target).At(attr) }
}

// checkGrants refuses a plan that needs what the command line does not grant.
func (a *app) checkGrants(in *inputFlags, p *plan.Plan, sources diag.Sources, local bool, at func(target, attr string) *diag.Range) error {
	l, err := a.missingGrants(in, p, local, at)
	if err != nil {
		return err
	}
	return a.report(l, sources)
}

// noteGrants says what running a plan will need.
func (a *app) noteGrants(in *inputFlags, p *plan.Plan, cfg *schema.Config) error {
	l, err := a.missingGrants(in, p, local(cfg), attributeOf(cfg))
	if err != nil {
		return err
	}
	for i := range l {
		l[i].Severity = diag.Note
	}
	return a.report(l, cfg.Sources)
}

// realPath is an absolute path without the links in the part of it that exists.
func realPath(p string) string {
	rest := ""
	for d := filepath.Clean(p); ; d = filepath.Dir(d) {
		if real, err := filepath.EvalSymlinks(d); err == nil {
			return filepath.Join(real, rest)
		}
		if d == filepath.Dir(d) {
			return filepath.Clean(p)
		}
		rest = filepath.Join(filepath.Base(d), rest)
	}
}
