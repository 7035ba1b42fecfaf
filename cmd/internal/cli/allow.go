package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/xbuild/xbuild/cmd/internal/entitle"
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

// needs is what builds ask for.
func (acc *access) needs(builds []plan.Choice) []entitle.Need {
	var out []entitle.Need
	for _, b := range builds {
		out = append(out, entitle.Needs(b.Target, b.Values, acc.world, acc.counts)...)
	}
	return out
}

// missing reports the needs that the command line does not grant; the last says which flags grant it all. at finds an
// attribute of a target.
func (acc *access) missing(needs []entitle.Need, at func(target, attr string) *diag.Range) diag.List {
	missing := acc.grants.Missing(needs, acc.world)
	var out diag.List
	for _, n := range missing {
		summary := "A target asks for a privilege that it was not granted"
		if n.Key == entitle.Read || n.Key == entitle.Write {
			summary = "A target reaches outside " + acc.area
		}
		out = out.Errorf("not-granted", at(n.Target, n.Attr), summary, "The target %q %s.", n.Target, n.Describe(acc.world))
	}
	out = out.Sorted()
	if len(out) > 0 {
		out[len(out)-1].Advice = "If you trust the build file, add " + strings.Join(entitle.Flags(missing, acc.world), " ")
	}
	return out
}

// attributeOf finds attributes in the build files.
func attributeOf(cfg *schema.Config) func(target, attr string) *diag.Range {
	return func(target, attr string) *diag.Range { return cfg.Target(target).At(attr) }
}

// checkGrants refuses builds that need what the command line does not grant. It is asked before anything that targets
// name is read.
func (a *app) checkGrants(in *inputFlags, cfg *schema.Config, choices []plan.Choice) error {
	return a.report(in.access.missing(in.access.needs(choices), attributeOf(cfg)), cfg.Sources)
}

// checkReading is checkGrants for a command that only plans: it refuses what planning reads, which are Dockerfiles and the
// contexts that they are judged by.
func (a *app) checkReading(in *inputFlags, cfg *schema.Config, choices []plan.Choice) error {
	needs := slices.DeleteFunc(in.access.needs(choices), func(n entitle.Need) bool {
		return n.Key != entitle.Read || n.Attr != "context" && n.Attr != "dockerfile"
	})
	return a.report(in.access.missing(needs, attributeOf(cfg)), cfg.Sources)
}

// checkWriting refuses to edit Dockerfiles that must not be written.
func (a *app) checkWriting(in *inputFlags, cfg *schema.Config, choices []plan.Choice) error {
	var needs []entitle.Need
	for _, n := range in.access.needs(choices) {
		if n.Attr == "dockerfile" {
			n.Key = entitle.Write
			needs = append(needs, n)
		}
	}
	return a.report(in.access.missing(needs, attributeOf(cfg)), cfg.Sources)
}

// noteGrants says what running a plan will need.
func (a *app) noteGrants(in *inputFlags, p *plan.Plan, cfg *schema.Config) error {
	l := in.access.missing(in.access.needs(p.Choices()), attributeOf(cfg))
	for i := range l {
		l[i].Severity = diag.Note
	}
	return a.report(l, cfg.Sources)
}
