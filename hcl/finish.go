package hcl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// settle works out the final platforms of a target and whether it is built per platform.
func (l *loader) settle(t *target) {
	v, ok := l.final(t, targetAttr("platforms"), nil)
	ps, good := l.platforms(v)
	t.platforms = ps
	t.damaged = t.damaged || !ok || !good
	attrs := language.Block("target").Attributes
	for i := range attrs {
		if r := l.platformReader(t, &attrs[i]); r != nil && t.reader == nil {
			t.reader = r
		}
	}
	t.template = t.reader != nil && len(ps) == 0 && t.inherited && !t.damaged
}

// finish makes the result for one target.
func (l *loader) finish(t *target) *schema.Target {
	out := &schema.Target{Name: t.name, Range: t.blocks[0].at, Platforms: t.platforms, Ranges: map[string]diag.Range{}}
	varying := map[string]bool{}
	common := map[string]*value{}
	attrs := language.Block("target").Attributes
	for i := range attrs {
		spec := &attrs[i]
		if l.platformReader(t, spec) != nil {
			varying[spec.Name] = true
			continue
		}
		common[spec.Name], _ = l.final(t, spec, nil)
	}
	addRanges(out.Ranges, common)
	out.Description = orEmpty(common["description"]).one.text
	out.Concurrency, _ = l.number("concurrency", common["concurrency"], 1)
	for _, it := range orEmpty(common["depends_on"]).list {
		if l.byName[it.text] == nil {
			l.errorf(codeUnknownTarget, it.at, "Unknown target", oneOf(it.text, l.targetNames()), "There is no target %q to wait for.", it.text)
			continue
		}
		out.DependsOn = append(out.DependsOn, it.text)
	}
	out.Base = l.build(t, common, varying)
	if name, ok := l.env.Strategy.BlockName(); ok && l.strategies.block(name) != nil {
		b := &builder{loader: l, target: t}
		b.useStrategy(name, item{text: string(l.env.Strategy), at: t.blocks[0].at})
	}
	switch {
	case t.reader == nil, t.template:
	case len(t.platforms) == 0:
		if !t.damaged {
			l.needsPlatforms(t)
		}
	default:
		l.perPlatform(t, out, common, varying)
	}
	return out
}

// perPlatform evaluates what differs between platforms, once for each.
func (l *loader) perPlatform(t *target, out *schema.Target, common map[string]*value, varying map[string]bool) {
	out.PerPlatform = map[schema.Platform]*schema.Build{}
	tags := map[schema.Platform]*value{}
	for _, p := range t.platforms {
		values := maps.Clone(common)
		for _, name := range sortedKeys(varying) {
			values[name], _ = l.final(t, targetAttr(name), &p)
		}
		addRanges(out.Ranges, values)
		b := l.build(t, values, nil)
		out.PerPlatform[p] = &b
		tags[p] = values["tags"]
	}
	if varying["tags"] {
		l.checkTags(t, tags)
	}
}

func addRanges(ranges map[string]diag.Range, values map[string]*value) {
	for name, v := range values {
		if v != nil && !v.null {
			ranges[name] = v.at
		}
	}
}

func (l *loader) needsPlatforms(t *target) {
	d := diag.Diagnostic{Code: codePlatformNeedsList, Summary: "The target has no platforms", Advice: "Set platforms, for example platforms = [\"linux/amd64\"].",
		Detail: fmt.Sprintf("%s of %q reads the platform object, so the target must say for which platforms it is built.", t.reader.name, t.name)}
	at := l.platformRange(t.reader)
	if slices.ContainsFunc(t.blocks, func(b *block) bool { return b.attrs[t.reader.name] == t.reader }) {
		d.Subject = &at
	} else {
		d.Subject = &t.blocks[0].at
		d.Related = []diag.Related{{Range: at, Message: "it is inherited from here"}}
	}
	l.add(d)
}

// errorTemplate reports that something uses a target that cannot be built by itself.
func (l *loader) errorTemplate(t *target, it item) {
	at := l.platformRange(t.reader)
	l.add(diag.Diagnostic{Code: codePlatformNeedsList, Subject: &it.at, Summary: "The target has no platforms",
		Detail:  fmt.Sprintf("The target %q can only be inherited from: it reads the platform object and has no platforms.", t.name),
		Advice:  "Set its platforms, or use a target that inherits from it.",
		Related: []diag.Related{{Range: at, Message: "it reads the platform here"}}})
}

// platformRange is where an attribute reads the platform object.
func (l *loader) platformRange(a *attribute) diag.Range {
	for _, tr := range a.expr.Variables() {
		if tr.RootName() == "platform" {
			return a.file.rng(tr.SourceRange())
		}
	}
	return a.at
}

// finishGroups makes the groups: every member must exist, and no group may contain itself.
func (l *loader) finishGroups(asked func(string) bool) []*schema.Group {
	var out []*schema.Group
	members := map[string][]item{}
	for _, b := range l.groups {
		l.lenient = !asked(b.name)
		g := &schema.Group{Name: b.name, Description: l.text(b, "description"), Range: b.at}
		if a := b.attrs["targets"]; a != nil {
			if v, ok := l.attributeValue(a, nil); ok {
				members[b.name] = v.list
			}
		}
		for _, it := range members[b.name] {
			g.Members = append(g.Members, it.text)
		}
		out = append(out, g)
	}
	for _, g := range l.labelGroups() {
		out = append(out, &schema.Group{Name: g.name, Members: g.members, Range: g.at})
	}
	var groups []string
	isGroup := map[string]bool{}
	for _, g := range out {
		groups = append(groups, g.Name)
		isGroup[g.Name] = true
	}
	for _, g := range out {
		l.lenient = !asked(g.Name)
		for _, it := range members[g.Name] {
			t := l.byName[it.text]
			switch {
			case t != nil && t.template:
				l.errorTemplate(t, it)
			case t == nil && !isGroup[it.text]:
				l.errorf(codeUnknownTarget, it.at, "Unknown target", oneOf(it.text, append(l.targetNames(), groups...)),
					"There is no target and no group %q.", it.text)
			}
		}
	}
	l.lenient = false
	c := groupWalk{loader: l, members: members, state: map[string]nodeState{}}
	for _, g := range groups {
		c.walk(g)
	}
	return out
}

// groupWalk looks for groups that contain themselves.
type groupWalk struct {
	*loader
	members map[string][]item
	state   map[string]nodeState
	path    []string
	at      []item // at[i] is where path[i] names path[i+1]
}

func (c *groupWalk) walk(name string) {
	c.state[name] = busy
	c.path = append(c.path, name)
	for _, it := range c.members[name] {
		if _, ok := c.members[it.text]; !ok {
			continue
		}
		c.at = append(c.at, it)
		switch c.state[it.text] {
		case busy:
			c.report(it.text)
		case fresh:
			c.walk(it.text)
		}
		c.at = c.at[:len(c.at)-1]
	}
	c.path = c.path[:len(c.path)-1]
	c.state[name] = done
}

// report spells out the circle from the group start to the end of the path.
func (c *groupWalk) report(start string) {
	i := slices.Index(c.path, start)
	d := diag.Diagnostic{Code: codeGroupCycle, Summary: "Groups in a circle", Advice: "Take one of these names out of its group."}
	var words []string
	for j := i; j < len(c.path); j++ {
		w := fmt.Sprintf("%q contains %q", c.path[j], c.at[j].text)
		words = append(words, w)
		if j == i {
			at := c.at[j].at // c.at is used again
			d.Subject = &at
		} else {
			d.Related = append(d.Related, diag.Related{Range: c.at[j].at, Message: w + " here"})
		}
	}
	d.Detail = "Group " + strings.Join(words, ", ") + "."
	c.add(d)
}
