package cli

import (
	"errors"
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
)

// registerAllow adds the flag of commands that build, or plan to.
func (f *inputFlags) registerAllow(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.allow, "allow", nil, "let the build do this: "+strings.Join(entitle.Keys, ", ")+"; fs.read, fs.write and fs (both) are of the form fs=PATH")
}

// missingGrants is what a plan needs and the command line does not grant, as one text with the flags to add; empty if
// nothing is missing. cfg may be nil.
func (a *app) missingGrants(in *inputFlags, p *plan.Plan, cfg *schema.Config) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", &exitError{ExitUsage, err}
	}
	w := entitle.World{Dir: dir, Real: realPath}
	grants, err := entitle.Parse(in.allow, w)
	if err != nil {
		return "", &exitError{ExitUsage, err}
	}
	paths, err := a.pathsCount(in, cfg)
	if err != nil {
		return "", &exitError{ExitUsage, err}
	}
	var needs []entitle.Need
	for _, b := range p.Builds {
		needs = append(needs, entitle.Needs(b.Target, b.Values, w, paths)...)
	}
	missing := grants.FromSets(in.sets, w).Missing(needs, w)
	if len(missing) == 0 {
		return "", nil
	}
	var t strings.Builder
	for _, n := range missing {
		fmt.Fprintf(&t, "  target %s %s", n.Target, n.Describe(w))
		if cfg != nil && cfg.Target(n.Target) != nil {
			fmt.Fprintf(&t, " (%s)", cfg.Target(n.Target).At(n.Attr))
		}
		t.WriteByte('\n')
	}
	fmt.Fprintf(&t, "If that is right, add: %s", strings.Join(entitle.Flags(missing, w), " "))
	return t.String(), nil
}

// pathsCount tells whether files outside the working directory must be granted: they must for Bake's files, and for files
// from elsewhere, unless the environment says no. Who wrote an xbuild.hcl here means what it says.
func (a *app) pathsCount(in *inputFlags, cfg *schema.Config) (bool, error) {
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
	local := in.remote.url == "" && (cfg == nil || len(cfg.Files) > 0 && hcl.Dialect(cfg.Files[len(cfg.Files)-1]) == schema.XbuildDialect)
	return !local, nil
}

// checkGrants refuses a plan that needs what the command line does not grant.
func (a *app) checkGrants(in *inputFlags, p *plan.Plan, cfg *schema.Config) error {
	text, err := a.missingGrants(in, p, cfg)
	if err != nil || text == "" {
		return err
	}
	return &exitError{ExitUsage, errors.New("the build file asks for more than a build may do:\n" + text)}
}

// noteGrants says what running a plan will need.
func (a *app) noteGrants(in *inputFlags, p *plan.Plan, cfg *schema.Config) error {
	text, err := a.missingGrants(in, p, cfg)
	if err == nil && text != "" {
		fmt.Fprintln(a.err, "note: to run this, more must be allowed than a build may do:\n"+text)
	}
	return err
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
