package cli

import (
	"fmt"
	"strings"

	"github.com/xbuild/xbuild/plan"
)

// suggestText shows the strategy blocks that would spare stages the emulation, to be pasted; with checked set, those that would
// spare them the check of their result.
func suggestText(suggestions []plan.Suggestion, file func(id string) string, checked, color bool) string {
	var b strings.Builder
	for _, s := range suggestions {
		switch {
		case s.Checked != checked:
			continue
		case checked:
			fmt.Fprintf(&b, "\n%s is not changed for what is only checked by its result; you can vouch for it:\n", file(s.Dockerfile))
		default:
			fmt.Fprintf(&b, "\n%s can do with less emulation, if you vouch for it:\n", file(s.Dockerfile))
		}
		for _, st := range s.Stages {
			what := "may run once for all platforms"
			if st.Vouch == "fork" {
				what = "may be cross-compiled"
			}
			for i, line := range wrap(fmt.Sprintf("%s (%s, line %d) %s if %s", st.Stage, st.Recipe, st.Line, what, st.If), 76) {
				lead := "  "
				if i > 0 {
					lead = "    "
				}
				fmt.Fprintf(&b, "%s%s\n", lead, line)
			}
		}
		for _, line := range wrap(fmt.Sprintf("To do so, add this to xbuild.hcl, and strategy = strategy.%s to %s:", s.Name, strings.Join(s.Targets, ", ")), 80) {
			fmt.Fprintf(&b, "%s\n", line)
		}
		for _, line := range strings.Split(strings.TrimSpace(s.Block), "\n") {
			fmt.Fprintf(&b, "  %s\n", paint(color, "2", line))
		}
	}
	return b.String()
}
