package hcl

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// notBuilt tells of each attribute that is printed but not carried out yet whether a target sets it. Without a cache a
// build is only slower; without the others it would be another build.
var notBuilt = []struct {
	attr     string
	severity diag.Severity
	set      func(*schema.Build) bool
}{
	{"attest", diag.Error, func(b *schema.Build) bool {
		return slices.ContainsFunc(b.Attest, func(a schema.Attest) bool { return !a.Disabled })
	}},
	{"call", diag.Error, func(b *schema.Build) bool { return b.Call != "" }},
	{"policy", diag.Error, func(b *schema.Build) bool { return len(b.Policies) > 0 }},
}

// NotBuilt reports what a build asks for that cannot be carried out yet, so that nothing else is built in its place.
func NotBuilt(cfg *schema.Config) diag.List {
	var r reporter
	for _, t := range cfg.Targets {
		for _, n := range notBuilt {
			if !n.set(&t.Base) {
				continue
			}
			detail := fmt.Sprintf("xbuild prints %q but cannot build with it yet.", n.attr)
			if n.severity == diag.Warning {
				detail = fmt.Sprintf("xbuild prints %q but does not carry it out yet; the build runs without it.", n.attr)
			}
			r.add(diag.Diagnostic{Severity: n.severity, Code: codeNotSupported, Subject: t.At(n.attr), Summary: "Not supported yet", Detail: detail})
		}
	}
	return r.list.Sorted()
}
