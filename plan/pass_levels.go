package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// warnLevels warns of the targets of xbuild.hcl with a platform above the baseline, like linux/amd64/v3, whose Dockerfile is built as
// it is written and reads no variant: compilers then make the programs of the baseline.
func (p *planner) warnLevels() {
	if p.cfg.Bake() {
		return
	}
	crossed, runs := map[*build]bool{}, map[*build]bool{}
	for i := range p.plan.Stages {
		s := &p.plan.Stages[i]
		for _, b := range p.instances[s.ID].builds {
			crossed[b] = crossed[b] || s.Kind == Cross
			runs[b] = runs[b] || s.Kind == Native || s.Kind == Emulated
		}
	}
	missing := map[*schema.Target][]string{}
	for _, b := range p.builds {
		if b.platform.AboveBaseline() && b.file != nil && runs[b] && !crossed[b] &&
			!slices.ContainsFunc(b.file.ArgNames(), func(k string) bool { return k == "TARGETVARIANT" || k == "TARGETPLATFORM" }) {
			missing[b.target] = append(missing[b.target], b.platform.String())
		}
	}
	for _, t := range p.cfg.Targets {
		if len(missing[t]) == 0 {
			continue
		}
		p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Warning, Code: "level-not-set", Summary: "No compiler is given the level of the platform",
			Subject: t.At("platforms"), Detail: fmt.Sprintf("Target %s is built as its Dockerfile is written for %s, and the Dockerfile reads no TARGETVARIANT: "+
				"its compilers make programs for the baseline of the architecture.", t.Name, strings.Join(missing[t], ", ")),
			Advice: `declare "ARG TARGETVARIANT" in the Dockerfile and give it to the compiler, or leave the level out of platforms`})
	}
}
