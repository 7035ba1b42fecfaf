package plan

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// checkCollisions refuses two targets that write the same folder or tag.
func (p *planner) checkCollisions() {
	folders, archives, tags := map[string]string{}, map[string]string{}, map[string]string{}
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
		image, stdout := false, 0
		for _, o := range t.Outputs {
			so := schema.Output{Type: o.Type, Dest: o.Dest, Push: o.Push, Attrs: o.Attrs}
			switch so.Place() {
			case schema.Folder:
				claim(folders, o.Dest, t.Name, "output", "output-collision", "folder")
			case schema.Archive:
				if o.Dest == schema.Stdout {
					stdout++
				}
				claim(archives, o.Dest, t.Name, "output", "output-collision", "archive")
			}
			image = image || so.Image() && so.Place() == schema.NoPlace
			p.checkImage(&t, &so, o.Platform != "")
		}
		if stdout > 1 {
			p.diags = p.diags.Errorf("output-collision", p.cfg.Target(t.Name).At("output"), "Two outputs go to standard output", "%d outputs of target %s do.", stdout, t.Name)
		}
		for _, tag := range t.Tags {
			if image {
				claim(tags, tag, t.Name, "tags", "tag-collision", "tag")
			}
		}
	}
}

// checkImage refuses an image that cannot be made as the target says. own says that each platform has a place of its own.
func (p *planner) checkImage(t *Target, o *schema.Output, own bool) {
	at := p.targets[t.Name].At("output")
	switch {
	case o.Type == schema.OutputImage && len(t.Tags) == 0 && o.Attrs["name"] == "":
		p.diags = p.diags.Errorf("image-without-tag", at, "An image has no name", "target %s writes an image, but has no tags.", t.Name)
	case o.Type == schema.OutputDocker && o.Dest != "" && t.Declared > 1 && !own:
		p.diags = p.diags.Errorf("docker-archive-platforms", at, "A docker archive holds one platform",
			"target %s is declared for %d platforms and writes %s; use type=oci, or give each platform an archive of its own.", t.Name, t.Declared, o.Dest)
	}
}
