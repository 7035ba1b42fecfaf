package hcl

import (
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// printXbuild gives a build of xbuild's dialect as Bake's JSON. Paths are absolute, since they are relative to files
// that the output does not name.
func printXbuild(files []*File, env Env) ([]byte, diag.Sources, diag.List) {
	cfg, ds := Load(files, env)
	if ds.HasErrors() {
		return nil, cfg.Sources, ds
	}
	names := env.Targets
	if len(names) == 0 {
		names = []string{"default"}
	}
	p := printer{cfg: cfg, res: &bakeResult{targets: map[string]*bakeTarget{}, groups: map[string]*bakeGroup{}}, sources: cfg.Sources}
	p.sources[argText] = []byte(strings.Join(names, " "))
	p.add(names)
	if p.HasErrors() {
		return nil, p.sources, append(ds, p.List...).Sorted()
	}
	return p.res.json(), cfg.Sources, ds
}

var _ = schema.TypeString
