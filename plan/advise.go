package plan

import (
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// lackingImage is a stage whose image does not exist for its platform, and where that was reported.
type lackingImage struct {
	in *instance
	at diag.Range
}

// adviseAuto adds to errors about images that lack a platform that the strategy auto could do without them. Whether it can is found out
// by planning with it.
func (p *planner) adviseAuto() {
	for _, l := range p.lacking {
		for i := range p.diags {
			d := &p.diags[i]
			if strings.HasSuffix(d.Code, "-lacks-platform") && d.Subject != nil && *d.Subject == l.at && p.autoWouldDo(l.in) {
				d.Advice = `use strategy = "auto", which needs no such image; or ` + d.Advice
			}
		}
	}
}

// autoWouldDo reports whether the builds that need a stage could be made with the strategy auto, and are not.
func (p *planner) autoWouldDo(in *instance) bool {
	if p.req.Strategy == schema.Auto {
		return false
	}
	req := Request{Strategy: schema.Auto}
	for _, b := range in.builds {
		if p.strategy(b.values) == schema.Auto {
			return false
		}
		req.Targets = append(req.Targets, b.target.Name+"@"+b.platform.String())
	}
	_, diags := Make(p.cfg, req, p.facts)
	return !diags.HasErrors()
}
