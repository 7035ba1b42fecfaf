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
// no stage of a Dockerfile knows, and tags of what is put nowhere. Values are inherited by targets that do not all know them, so it is
// enough that one of the run does.
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

// warnUnknown tells of the names of one kind that no build of the run knows, once a name, at the first place that gives it.
func (p *planner) warnUnknown(k unusedKind) {
	type use struct {
		at     diag.Range
		file   *dockerfile.File
		places map[diag.Range]bool
		known  bool
	}
	elsewhere := p.elsewhere(k.attribute)
	uses := map[string]*use{}
	var order []string
	for _, b := range p.builds {
		at := *b.target.At(k.attribute)
		for _, name := range k.names(b.values) {
			u := uses[name]
			if u == nil {
				u = &use{at: at, file: b.file, places: map[diag.Range]bool{}}
				uses[name] = u
				order = append(order, name)
			}
			u.places[at] = true
			u.known = u.known || b.file == nil || elsewhere[at] || k.knows(b.file, name)
		}
	}
	for _, name := range order {
		u := uses[name]
		if u.known {
			continue
		}
		d := diag.Diagnostic{Severity: diag.Warning, Code: k.code, Summary: k.summary, Subject: &u.at, Detail: fmt.Sprintf(k.detail, name)}
		if n := len(u.places) - 1; n > 0 {
			d.Detail += fmt.Sprintf(" It is given at %d more places.", n)
		}
		if s := schema.Suggest(name, k.known(u.file)); s != "" {
			d.Advice = fmt.Sprintf("did you mean %q?", s)
		}
		p.diags = append(p.diags, d)
	}
}

// elsewhere are the places where targets that are not built now have an attribute: a Dockerfile of theirs may know what those of this
// run do not.
func (p *planner) elsewhere(attribute string) map[diag.Range]bool {
	built := map[*schema.Target]bool{}
	for _, b := range p.builds {
		built[b.target] = true
	}
	out := map[diag.Range]bool{}
	for _, t := range p.cfg.Targets {
		if r, ok := t.Ranges[attribute]; ok && !built[t] {
			out[r] = true
		}
	}
	return out
}

// warnTags tells of tags that name nothing, since the image goes nowhere.
func (p *planner) warnTags() {
	builds := map[*schema.Target][]*build{}
	for _, b := range p.builds {
		builds[b.target] = append(builds[b.target], b)
	}
	for _, t := range p.cfg.Targets {
		var tags []string
		out := false
		for _, b := range builds[t] {
			if b.requested {
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
