package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// warnUnused tells of what a target of xbuild.hcl says without any effect: arguments, named contexts and stages of no-cache-filter that
// no stage of its Dockerfile knows, and tags of what is put nowhere. Targets that share a value by inheritance are one: it is enough
// that one of them knows the name.
func (p *planner) warnUnused() {
	if p.cfg.Requested != nil { // the build file is Bake's
		return
	}
	for _, kind := range unusedKinds {
		p.warnUnknown(kind)
	}
	p.warnTags()
}

// unusedKind is a kind of name that a target gives to its Dockerfile.
type unusedKind struct {
	attribute, code, summary string
	detail                   string // with the name
	names                    func(*schema.Build) []string
	knows                    func(*dockerfile.File, string) bool
	known                    func(*dockerfile.File) []string
}

var unusedKinds = []unusedKind{
	{"args", "unused-arg", "No stage has the argument", "No ARG of the Dockerfile declares %q.",
		func(v *schema.Build) []string { return sortedKeys(v.Args) }, (*dockerfile.File).KnowsArg, (*dockerfile.File).ArgNames},
	{"contexts", "unused-context", "No stage has the named context", "No stage of the Dockerfile is called %q, and none takes files from it.",
		func(v *schema.Build) []string { return sortedKeys(v.Contexts) }, (*dockerfile.File).KnowsContext, (*dockerfile.File).Names},
	{"no-cache-filter", "unused-no-cache-filter", "There is no such stage", "No stage of the Dockerfile is called %q.",
		func(v *schema.Build) []string { return v.NoCacheFilter }, (*dockerfile.File).KnowsStage, (*dockerfile.File).Names},
}

// warnUnknown tells of the names of one kind that no build knows of those that share the place where they are given.
func (p *planner) warnUnknown(k unusedKind) {
	type place struct {
		at   diag.Range
		name string
	}
	known := map[place]bool{}
	advice := map[place]string{}
	var order []place
	for _, b := range p.builds {
		for _, name := range k.names(b.values) {
			pl := place{*b.target.At(k.attribute), name}
			if _, seen := known[pl]; !seen {
				known[pl] = p.elsewhere(b.target, k.attribute)
				order = append(order, pl)
			}
			if b.file == nil || k.knows(b.file, name) {
				known[pl] = true
				continue
			}
			advice[pl] = schema.Suggest(name, k.known(b.file))
		}
	}
	for _, pl := range order {
		if known[pl] {
			continue
		}
		d := diag.Diagnostic{Severity: diag.Warning, Code: k.code, Summary: k.summary, Subject: &pl.at, Detail: fmt.Sprintf(k.detail, pl.name)}
		if s := advice[pl]; s != "" {
			d.Advice = fmt.Sprintf("did you mean %q?", s)
		}
		p.diags = append(p.diags, d)
	}
}

// elsewhere reports whether a target that is not built now shares the place where an attribute is given: its Dockerfile may know what
// this one does not.
func (p *planner) elsewhere(t *schema.Target, attribute string) bool {
	return slices.ContainsFunc(p.cfg.Targets, func(o *schema.Target) bool {
		built := slices.ContainsFunc(p.builds, func(b *build) bool { return b.target == o })
		r, ok := o.Ranges[attribute]
		return !built && ok && r == *t.At(attribute)
	})
}

// warnTags tells of tags that name nothing, since the image goes nowhere.
func (p *planner) warnTags() {
	for _, t := range p.cfg.Targets {
		var tags []string
		out := false
		for _, b := range p.builds {
			if b.target == t && b.requested {
				tags = append(tags, b.values.Tags...)
				out = out || len(b.values.Outputs) > 0 || b.values.Call != ""
			}
		}
		if len(tags) == 0 || out {
			continue
		}
		p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Warning, Code: "unused-tags", Summary: "Tags without an output", Subject: t.At("tags"),
			Detail: fmt.Sprintf("Target %s has no output, so no image gets the name %s.", t.Name, strings.Join(slices.Compact(tags), ", ")),
			Advice: "use --push to push it or --load to load it into the Docker Engine, or set output"})
	}
}
