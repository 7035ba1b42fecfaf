package cli

import (
	"fmt"
	"strings"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// missingText says which optional platforms each target is without, "" if none are missing.
func missingText(rep *exec.Report, p *plan.Plan) string {
	failed := map[plan.Use]bool{}
	for _, f := range rep.Missing {
		for _, u := range f.Uses {
			failed[u] = true
		}
	}
	var b strings.Builder
	for _, t := range p.Targets {
		if !t.Requested {
			continue
		}
		var names []string
		for _, m := range t.Missing {
			names = append(names, m.Platform+" (cannot be built here)")
		}
		for _, q := range t.Platforms {
			if failed[plan.Use{Target: t.Name, Platform: q}] {
				names = append(names, q+" (failed)")
			}
		}
		if len(names) > 0 {
			fmt.Fprintf(&b, "%s is without the optional %s\n", t.Name, strings.Join(names, ", "))
		}
	}
	return b.String()
}
