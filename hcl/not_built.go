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
	{"annotations", diag.Error, func(b *schema.Build) bool { return len(b.Annotations) > 0 }},
	{"attest", diag.Error, func(b *schema.Build) bool {
		return slices.ContainsFunc(b.Attest, func(a schema.Attest) bool { return !a.Disabled })
	}},
	{"cache-from", diag.Warning, func(b *schema.Build) bool { return len(b.CacheFrom) > 0 }},
	{"cache-to", diag.Warning, func(b *schema.Build) bool { return len(b.CacheTo) > 0 }},
	{"secret", diag.Error, func(b *schema.Build) bool { return len(b.Secrets) > 0 }},
	{"ssh", diag.Error, func(b *schema.Build) bool { return len(b.SSH) > 0 }},
	{"pull", diag.Error, func(b *schema.Build) bool { return b.Pull }},
	{"network", diag.Error, func(b *schema.Build) bool { return b.Network != "" && b.Network != "default" }},
	{"no-cache-filter", diag.Error, func(b *schema.Build) bool { return len(b.NoCacheFilter) > 0 }},
	{"shm-size", diag.Error, func(b *schema.Build) bool { return b.ShmSize > 0 }},
	{"ulimits", diag.Error, func(b *schema.Build) bool { return len(b.Ulimits) > 0 }},
	{"resources", diag.Error, func(b *schema.Build) bool { return len(b.Resources) > 0 }},
	{"call", diag.Error, func(b *schema.Build) bool { return b.Call != "" }},
	{"entitlements", diag.Error, func(b *schema.Build) bool { return len(b.Entitlements) > 0 }},
	{"extra-hosts", diag.Error, func(b *schema.Build) bool { return len(b.ExtraHosts) > 0 }},
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
