package hcl

import (
	"slices"

	"github.com/xbuild/xbuild/schema"
)

// cacheWriters are all targets of the files that write caches, with the values that they have with their parents and --set. Which
// part of a cache a target has must not depend on which targets a command line names. Targets that only others inherit from, and
// that are in no group, write none. Mistakes in targets that nobody asked for are not reported, as in Bake.
func (l *bakeLoader) cacheWriters() []schema.CacheWriter {
	reports := l.reporter
	l.reporter = reporter{functions: reports.functions}
	defer func() { l.reporter = reports }()
	r := &resolver{bakeLoader: l, sets: l.bakeSets(), memo: map[string]*bakeTarget{}, busy: map[string]bool{}}
	parents, members := map[string]bool{}, map[string]bool{}
	for _, t := range l.targets {
		for _, p := range t.list("inherits") {
			parents[p] = true
		}
	}
	for _, g := range l.groups {
		for _, m := range g.targets {
			members[m] = true
		}
	}
	out := []schema.CacheWriter{}
	for _, declared := range l.targets {
		if parents[declared.name] && !members[declared.name] {
			continue
		}
		t := r.target(declared.name, declared.at)
		if t == nil || t.values["cache-to"] == nil {
			continue
		}
		c := configurer{l, t, &schema.Build{}}
		if c.entries(); len(c.out.CacheTo) > 0 {
			out = append(out, schema.CacheWriter{Target: t.name, CacheTo: c.out.CacheTo})
		}
	}
	return out
}

// usesCaches reports whether a target reads or writes caches.
func usesCaches(targets []*schema.Target) bool {
	return slices.ContainsFunc(targets, func(t *schema.Target) bool { return len(t.Base.CacheFrom)+len(t.Base.CacheTo) > 0 })
}
