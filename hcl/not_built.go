package hcl

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// notBuilt tells of each attribute that is printed but not carried out yet whether a target sets it: it would be another
// build without.
var notBuilt = []struct {
	attr string
	set  func(*schema.Build) bool
}{
	{"policy", func(b *schema.Build) bool {
		return slices.ContainsFunc(b.Policies, func(p schema.Policy) bool { return p.File != "" }) &&
			!slices.ContainsFunc(b.Policies, func(p schema.Policy) bool { return p.Disabled })
	}},
}

// NotBuilt reports what a build asks for that cannot be carried out yet. Who builds must refuse it, unless the command line says
// to do without.
func NotBuilt(cfg *schema.Config) diag.List {
	var r reporter
	for _, t := range cfg.Targets {
		for _, n := range notBuilt {
			if !n.set(&t.Base) {
				continue
			}
			r.add(diag.Diagnostic{Severity: diag.Error, Code: codeNotSupported, Subject: t.At(n.attr), Summary: "Not supported yet",
				Detail: fmt.Sprintf("xbuild prints %q but cannot build with it yet.", n.attr)})
		}
	}
	return r.list.Sorted()
}
