package hcl

import (
	"github.com/xbuild/xbuild/schema"
)

// asked tells of a target or group whether the command line asks for it: by name, through a group, or because a target
// that is asked for needs it as a context. Parents need not be asked for: they are read on behalf of their children.
func (l *loader) asked() func(name string) bool {
	if l.env.Targets == nil {
		return func(string) bool { return true }
	}
	groups, cells := map[string][]*block{}, map[string][]string{}
	for _, b := range l.groups {
		groups[b.name] = append(groups[b.name], b)
	}
	for _, b := range l.blocks {
		if b.cell != nil {
			cells[b.cell.label] = append(cells[b.cell.label], b.name)
		}
	}
	seen := map[string]bool{}
	var reach func(name string)
	reach = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, b := range groups[name] {
			if a := b.attrs["targets"]; a != nil {
				if v, ok := l.attributeValue(a, nil); ok {
					for _, it := range v.list {
						reach(it.text)
					}
				}
			}
		}
		for _, c := range cells[name] {
			reach(c)
		}
		if t := l.byName[name]; t != nil {
			for _, link := range l.links(t, map[*target]bool{}) {
				reach(link)
			}
		}
	}
	for _, name := range l.env.Targets {
		reach(name)
	}
	return func(name string) bool { return seen[name] }
}

// links are the targets that the named contexts of a target and of its parents name in plain text. Contexts that are
// computed are found when they are evaluated.
func (l *loader) links(t *target, seen map[*target]bool) []string {
	if seen[t] {
		return nil
	}
	seen[t] = true
	var out []string
	for _, b := range t.blocks {
		if a := b.attrs["contexts"]; a != nil && !a.readsPlatform {
			if v, ok := l.attributeValue(a, nil); ok {
				for _, it := range v.keys {
					if need, ok := schema.ParseRef(it.text).Linked(); ok {
						out = append(out, need)
					}
				}
			}
		}
		if a := b.attrs["inherits"]; a != nil {
			if v, ok := l.attributeValue(a, nil); ok {
				for _, it := range v.list {
					if p := l.byName[it.text]; p != nil {
						out = append(out, l.links(p, seen)...)
					}
				}
			}
		}
	}
	return out
}

// rank puts what is asked for first.
func rank(asked func(string) bool, name string) int {
	if asked(name) {
		return 0
	}
	return 1
}
