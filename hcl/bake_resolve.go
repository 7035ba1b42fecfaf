package hcl

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// bakeResult is what a command line asks for: the targets that it builds and those that they need, resolved, and the
// groups that lead to them.
type bakeResult struct {
	targets map[string]*bakeTarget
	groups  map[string]*bakeGroup
}

// argText is the name under which the targets of the command line stand in the sources.
const argText = "command line"

// resolve finds the targets of a command line and works out their values.
func (l *bakeLoader) resolve(names []string) *bakeResult {
	if len(names) == 0 {
		names = []string{"default"}
	}
	l.sources[argText] = []byte(strings.Join(names, " "))
	res := &bakeResult{targets: map[string]*bakeTarget{}, groups: map[string]*bakeGroup{}}
	r := &resolver{bakeLoader: l, sets: l.bakeSets(), memo: map[string]*bakeTarget{}, busy: map[string]bool{}}
	if l.list.HasErrors() {
		return res
	}
	asked := l.askedFor(names)
	for _, a := range asked {
		targets, groups := l.expand(a.name, map[string]*expansion{})
		for _, name := range unique(targets) {
			at := a.at
			for _, g := range groups {
				at = l.group(g).memberAt(name, at)
			}
			if t := r.target(name, at); t != nil {
				res.targets[name] = t
			}
		}
		for _, g := range groups {
			res.groups[g] = l.group(g)
		}
	}
	res.addDefault(asked)
	if l.list.HasErrors() {
		return res
	}
	for _, name := range sortedKeys(res.targets) {
		r.links(res, name, nil)
	}
	l.addEpoch(res)
	return res
}

// askedName is a target or group that the command line names.
type askedName struct {
	name string
	at   diag.Range
}

// askedFor expands the patterns of the command line.
func (l *bakeLoader) askedFor(args []string) []askedName {
	var out []askedName
	seen := map[string]bool{}
	off := 0
	for _, arg := range args {
		at := l.inText(argText, off, off+len(arg))
		off += len(arg) + 1
		name := strings.ReplaceAll(arg, ".", "_") // as Bake names the services of a compose file
		matches := []string{name}
		if strings.ContainsAny(name, "*?[]") {
			matches = nil
			for _, n := range l.allNames() {
				if ok, err := path.Match(name, n); ok && err == nil {
					matches = append(matches, n)
				}
			}
			if matches == nil {
				l.errorf(codeUnknownTarget, at, "Unknown target", oneOf(name, l.allNames()), "No target and no group matches %q.", name)
			}
		}
		for _, m := range matches {
			if !seen[m] {
				seen[m] = true
				out = append(out, askedName{m, at})
			}
		}
	}
	return out
}

// allNames is every group, then every target.
func (l *bakeLoader) allNames() []string {
	var out []string
	for _, g := range l.groups {
		out = append(out, g.name)
	}
	for _, t := range l.targets {
		out = append(out, t.name)
	}
	return out
}

func (l *bakeLoader) inText(name string, start, end int) diag.Range {
	return rangeIn(name, l.sources[name], start, end)
}

func rangeIn(name string, src []byte, start, end int) diag.Range {
	text := &File{Name: name, Bytes: src, lines: lineStarts(src)}
	return diag.Range{Filename: name, Start: text.posAt(start), End: text.posAt(end)}
}

func (l *bakeLoader) group(name string) *bakeGroup {
	if l.groupIndex == nil {
		l.groupIndex = map[string]*bakeGroup{}
		for _, g := range slices.Backward(l.groups) {
			l.groupIndex[g.name] = g
		}
	}
	return l.groupIndex[name]
}

// expansion is what a group stands for; empty while it is being worked out.
type expansion struct{ targets, groups []string }

// expand gives the targets that a name stands for and the groups on the way. A group that names itself means the target
// of that name.
func (l *bakeLoader) expand(name string, seen map[string]*expansion) (targets, groups []string) {
	if e := seen[name]; e != nil {
		return e.targets, e.groups
	}
	g := l.group(name)
	if g == nil {
		return []string{name}, nil
	}
	e := &expansion{}
	seen[name] = e
	groups = []string{name}
	for _, member := range g.targets {
		ts, gs := l.expand(member, seen)
		if len(ts) == 0 {
			ts = []string{member}
		}
		targets = append(targets, ts...)
		groups = append(groups, gs...)
	}
	e.targets, e.groups = targets, unique(groups)
	return targets, e.groups
}

// addDefault makes the group default what was asked for, unless the file's own group of that name was.
func (res *bakeResult) addDefault(asked []askedName) {
	for _, a := range asked {
		g := res.groups["default"]
		if g != nil && a.name == "default" {
			continue
		}
		c := bakeGroup{name: "default"}
		if g != nil {
			c = *g
		}
		c.targets, c.hasTargets = append(slices.Clone(c.targets), a.name), true
		res.groups["default"] = &c
	}
	if g := res.groups["default"]; g != nil {
		c := *g
		c.targets = unique(g.targets)
		slices.Sort(c.targets)
		res.groups["default"] = &c
	}
}

// resolver works out the values of targets with their parents and --set.
type resolver struct {
	*bakeLoader
	sets map[string][]bakeSet
	memo map[string]*bakeTarget
	busy map[string]bool
	// circles counts parents that were left out because they were being resolved; what was resolved meanwhile depends on
	// where the circle was entered and is not kept.
	circles int
}

// target is a resolved target, or nil after a problem.
func (r *resolver) target(name string, at diag.Range) *bakeTarget {
	t := r.inherit(name, at)
	if t == nil {
		return nil
	}
	t = t.clone()
	delete(t.values, "inherits")
	if t.values["context"] == nil {
		dir := "."
		if r.env.on("BUILDX_BAKE_FILE_RELATIVE_PATHS") && t.hasBase {
			dir = r.below(t.base, ".")
		}
		t.values["context"] = &bakeValue{text: dir, at: &t.at}
	}
	if s, _ := t.text("dockerfile"); s == "" {
		t.values["dockerfile"] = &bakeValue{text: "Dockerfile", at: &t.at}
	}
	return t
}

// inherit is a target over its parents. A parent that is being resolved is left out, as in Bake.
func (r *resolver) inherit(name string, at diag.Range) *bakeTarget {
	if t := r.memo[name]; t != nil {
		return t
	}
	own := r.byTarget[name]
	if own == nil {
		advice := oneOf(name, r.allNames())
		if name == "default" && at.Filename == argText {
			advice = "Name a target, or add a group \"default\". " + advice
		}
		r.errorf(codeUnknownTarget, at, "Unknown target", strings.TrimSpace(advice), "There is no target %q.", name)
		return nil
	}
	r.busy[name] = true
	before := r.circles
	out := &bakeTarget{name: name, at: own.at, values: map[string]*bakeValue{}}
	ok := true
	seen := map[string]*bakeTarget{}
	for _, p := range own.list("inherits") {
		if r.busy[p] {
			r.circles++
			continue
		}
		t := seen[p]
		if t == nil {
			if t = r.inherit(p, own.values["inherits"].where()); t == nil {
				ok = false
				continue
			}
			seen[p] = t
		}
		out.merge(t)
	}
	out.merge(own)
	out.name, out.at = name, own.at
	delete(out.values, "inherits")
	for _, s := range r.sets[name] {
		ok = r.apply(out, s) && ok
	}
	out.normalize()
	delete(r.busy, name)
	if !ok {
		return nil
	}
	if r.circles == before {
		r.memo[name] = out
	}
	return out
}

// links adds the targets that the named contexts of a target need.
func (r *resolver) links(res *bakeResult, name string, path []string) {
	t := res.targets[name]
	path = append(slices.Clone(path), name)
	v := t.values["contexts"]
	if v == nil {
		return
	}
	for _, k := range sortedKeys(v.keys) {
		need, ok := schema.ParseRef(*v.keys[k]).Linked()
		if !ok {
			continue
		}
		if need == name {
			r.errorf(codeBadContext, v.where(), "Bad context", "", "The target %q cannot be its own context.", name)
			continue
		}
		if i := slices.Index(path, need); i >= 0 {
			r.errorf(codeLinkCycle, v.where(), "Targets in a circle", "Take one of these contexts away.", "The contexts of targets need each other: %s.",
				strings.Join(append(path[i:], need), " needs "))
			continue
		}
		base := res.targets[need]
		if base == nil {
			if base = r.target(need, v.where()); base == nil {
				continue
			}
			base.linked = true
			base.values["output"] = &bakeValue{entries: []bakeEntry{{fields: map[string]string{"type": "cacheonly"}}}, at: v.at}
			res.targets[need] = base
		}
		r.links(res, need, path)
		r.inheritGrants(t, base)
		if a, b := t.list("platforms"), base.list("platforms"); len(a) > 1 && len(b) > 1 {
			for _, p := range a {
				if !slices.Contains(b, p) {
					r.errorf(codeBadContext, v.where(), "Platform missing in a linked target", fmt.Sprintf("Add it to the platforms of %q.", need),
						"%q is built for %s, but the target %q, which it needs, is not.", name, p, need)
					break
				}
			}
		}
	}
}

// inheritGrants gives a target the entitlements of one that it needs.
func (r *resolver) inheritGrants(t, base *bakeTarget) {
	extra := base.list("entitlements")
	if len(extra) == 0 {
		return
	}
	c := bakeValue{at: &t.at}
	if v := t.values["entitlements"]; v != nil {
		c = *v
	}
	c.list = unique(slices.Concat(c.list, extra))
	t.values["entitlements"] = &c
}

// epochVariable is the time that a reproducible build gives everything, in seconds since 1970.
const epochVariable = "SOURCE_DATE_EPOCH"

// addEpoch gives every target the time of SOURCE_DATE_EPOCH, unless it sets its own.
func (l *bakeLoader) addEpoch(res *bakeResult) {
	epoch, _ := l.env.Getenv(epochVariable)
	if epoch == "" {
		return
	}
	for _, t := range res.targets {
		c := bakeValue{keys: map[string]*string{}, at: &t.at}
		if v := t.values["args"]; v != nil {
			c = *v
			c.keys = maps.Clone(v.keys)
		}
		if _, ok := c.keys[epochVariable]; !ok {
			c.keys[epochVariable] = &epoch
			t.values["args"] = &c
		}
	}
}
