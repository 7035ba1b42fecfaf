package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// checkImages refuses images whose tags or annotations would not say what the target means.
func (p *planner) checkImages() {
	builds := map[*schema.Target][]*build{}
	for _, b := range p.builds {
		if b.requested {
			builds[b.target] = append(builds[b.target], b)
		}
	}
	for i := range p.plan.Targets {
		t := &p.plan.Targets[i]
		if !t.Requested {
			continue
		}
		p.checkIndexAnnotations(t, builds[p.targets[t.Name]])
		if !p.cfg.Bake() && !p.req.PartialTags { // Bake files mean what they mean to the peer
			p.checkPartialTags(t, builds[p.targets[t.Name]])
		}
	}
}

// checkPartialTags refuses to let a tag that names an index name a part of it: whoever pulls it for the other platforms
// would find nothing, or what an earlier run left.
func (p *planner) checkPartialTags(t *Target, builds []*build) {
	cfg := p.targets[t.Name]
	var built []string
	tags := map[string]int{}
	for _, b := range builds {
		if pushesTags(b.values) {
			built = append(built, b.platform.String())
		}
	}
	if len(built) == 0 || len(built)+len(t.Missing) >= t.Declared {
		return
	}
	var declared []string
	for _, pl := range cfg.Platforms {
		declared = append(declared, pl.String())
		for _, tag := range cfg.On(pl).Tags {
			tags[tag]++
		}
	}
	for _, tag := range t.Tags {
		if tags[tag] < t.Declared {
			continue // it names the image of one platform
		}
		p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Error, Code: "partial-tags", Summary: "A tag would name a part of its platforms",
			Subject: cfg.At("tags"), Detail: fmt.Sprintf("%s is declared for %s, all of which %s names, and this run builds %s.", t.Name, strings.Join(declared, ", "), tag, strings.Join(built, ", ")),
			Advice: fmt.Sprintf("build all platforms; or push what is built without a tag, with --set %s.output=type=image,push=true,push-by-digest=true; or say --allow-partial-tags", t.Name)})
		return
	}
}

// pushesTags reports whether a build pushes an image under its tags.
func pushesTags(b *schema.Build) bool {
	return slices.ContainsFunc(b.Outputs, func(o schema.Output) bool {
		digest, err := strconv.ParseBool(o.Attrs["push-by-digest"])
		return o.Type == schema.OutputImage && o.Push && !(err == nil && digest)
	})
}

// checkIndexAnnotations refuses annotations of an index where there is none.
func (p *planner) checkIndexAnnotations(t *Target, builds []*build) {
	if t.Declared > 1 {
		return
	}
	for _, b := range builds {
		i := slices.IndexFunc(b.values.Annotations, ofIndex)
		if i < 0 || !slices.ContainsFunc(b.values.Outputs, func(o schema.Output) bool { return o.Image() && !attested(b.values, &o) }) {
			continue
		}
		d := diag.Diagnostic{Severity: diag.Error, Code: "index-annotation", Summary: "An image of one platform has no index", Subject: b.target.At("annotations"),
			Detail: fmt.Sprintf("%q annotates an index, and index annotations are not supported for the export of a single platform, which %s is.", b.values.Annotations[i], t.Name),
			Advice: "annotate the manifest (manifest:KEY=VALUE or KEY=VALUE), or declare several platforms"}
		p.diags = append(p.diags, d)
	}
}

// attested reports whether the image of an output is kept with attestations, in an index.
func attested(b *schema.Build, o *schema.Output) bool {
	if o.Type == schema.OutputDocker && o.Place() != schema.NoPlace {
		return false // a docker archive carries none
	}
	return slices.ContainsFunc(b.Attest, func(a schema.Attest) bool { return !a.Disabled })
}

// ofIndex reports whether one of the types of an annotation is an index or its descriptor.
func ofIndex(annotation string) bool {
	key, _, _ := strings.Cut(annotation, "=")
	types, _, ok := strings.Cut(key, ":")
	return ok && slices.ContainsFunc(strings.Split(types, ","), func(t string) bool { return strings.HasPrefix(t, "index") })
}
