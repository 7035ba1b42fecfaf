package plan

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// checkCollisions refuses two targets that write the same folder or tag.
func (p *planner) checkCollisions() {
	folders, tags := map[string]string{}, map[string]string{}
	claim := func(m map[string]string, place, target, attr, code, what string) {
		if first, taken := m[place]; taken && first != target {
			d := diag.Diagnostic{Severity: diag.Error, Code: code, Summary: "Two targets write to the same place",
				Subject: p.targets[target].At(attr), Detail: fmt.Sprintf("%s and %s both write the %s %s.", first, target, what, place),
				Related: []diag.Related{{Range: *p.targets[first].At(attr), Message: "the other one"}}}
			if !slices.ContainsFunc(p.diags, func(x diag.Diagnostic) bool { return x.Code == code && x.Detail == d.Detail }) {
				p.diags = append(p.diags, d)
			}
			return
		}
		m[place] = target
	}
	for _, t := range p.plan.Targets {
		if !t.Requested {
			continue
		}
		image := false
		for _, o := range t.Outputs {
			if o.Type == schema.OutputLocal {
				claim(folders, o.Dest, t.Name, "output", "output-collision", "folder")
			}
			image = image || o.Type == schema.OutputImage
		}
		if image && len(t.Tags) == 0 {
			p.diags = p.diags.Errorf("image-without-tag", p.targets[t.Name].At("output"), "An image has no name", "target %s writes an image, but has no tags.", t.Name)
		}
		for _, tag := range t.Tags {
			if image {
				claim(tags, tag, t.Name, "tags", "tag-collision", "tag")
			}
		}
	}
}
