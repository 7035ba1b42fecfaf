package hcl

import (
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// Validate checks build files: all that they say, and every target and group that they declare, or those that
// Env.Targets names. What Bake's files have and Bake ignores is a warning. What a build asks for that cannot be carried out yet is a warning.
//
// The Config has the targets, groups and variables that were checked, and always its Sources.
func Validate(files []*File, env Env) (*schema.Config, diag.List) {
	bake, ds := dialectOf(files)
	if ds != nil {
		return &schema.Config{Sources: sourcesOf(files)}, ds
	}
	var cfg *schema.Config
	if bake {
		cfg, ds = validateBake(files, env)
	} else {
		cfg, ds = validateXbuild(files, env)
	}
	if !ds.HasErrors() {
		for _, d := range NotBuilt(cfg) {
			d.Severity = diag.Warning
			ds = append(ds, d)
		}
	}
	return cfg, ds.Sorted()
}

func validateBake(files []*File, env Env) (*schema.Config, diag.List) {
	l := newBakeLoader(files, env)
	l.thorough = true
	l.read()
	l.unknown()
	if l.list.HasErrors() {
		return &schema.Config{Sources: l.sources}, l.list
	}
	l.rebase()
	names := env.Targets
	if len(names) == 0 {
		names = l.allNames()
	}
	res := &bakeResult{}
	if len(names) > 0 {
		res = l.resolve(names)
	}
	l.check(res) // also after errors: what could be resolved is sound
	cfg := l.bakeConfig(res, sortedKeys(res.targets))
	for _, name := range sortedKeys(res.groups) {
		if g := l.group(name); g != nil {
			cfg.Groups = append(cfg.Groups, &schema.Group{Name: g.name, Description: g.description, Members: g.targets, Range: g.at})
		}
	}
	return cfg, l.list
}

func validateXbuild(files []*File, env Env) (*schema.Config, diag.List) {
	cfg, ds := Load(files, env)
	if ds.HasErrors() || len(env.Targets) == 0 {
		return cfg, ds
	}
	return cfg, append(ds, pick(cfg, env.Targets).list...)
}
