package plan

import (
	"fmt"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// checkCaches refuses two targets that write the same cache: the later one would replace what the earlier one kept.
func (p *planner) checkCaches() {
	first, told := map[string]string{}, map[string]bool{}
	for _, b := range p.builds {
		if !b.requested {
			continue
		}
		for _, c := range b.values.CacheTo {
			place := cachePlace(c)
			name := b.target.Name
			other, taken := first[place]
			switch {
			case place == "":
			case !taken:
				first[place] = name
			case other != name && !told[place+"\x00"+name]:
				told[place+"\x00"+name] = true
				p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Error, Code: "cache-collision", Summary: "Two targets write to the same place",
					Subject: b.target.At("cache-to"), Detail: fmt.Sprintf("%s and %s both write the %s.", other, name, place),
					Advice:  "give each target a cache of its own; cache-from may name them all",
					Related: []diag.Related{{Range: *p.targets[other].At("cache-to"), Message: "the other one"}}})
			}
		}
	}
}

// cachePlace names the place that a cache is written to, "" if it has none that could collide.
func cachePlace(c schema.Cache) string {
	switch {
	case c.Type == "registry" && c.Attrs["ref"] != "":
		return "cache image " + c.Attrs["ref"]
	case c.Type == "local" && c.Attrs["dest"] != "":
		return "cache folder " + c.Attrs["dest"]
	case c.Type == "gha" && c.Attrs["scope"] != "":
		return "cache scope " + c.Attrs["scope"]
	case (c.Type == "s3" || c.Type == "azblob") && c.Attrs["name"] != "":
		return fmt.Sprintf("%s cache %s", c.Type, c.Attrs["name"])
	}
	return ""
}
