package exec

import (
	"slices"

	"github.com/xbuild/xbuild/plan"
)

// Complete adds to the report what did not have to run: p is the whole plan, of which the report tells a part, and outputs are
// those of the builds that are not in that part. Outcomes and outputs are in plan order afterwards.
func (rep *Report) Complete(p *plan.Plan, outputs []OutputResult) {
	ran := map[string]Outcome{}
	for _, o := range rep.Outcomes {
		ran[o.Stage] = o
	}
	rep.Outcomes = nil
	for _, s := range p.Stages {
		o, ok := ran[s.ID]
		if !ok {
			o = Outcome{Stage: s.ID, State: Unchanged}
		}
		rep.Outcomes = append(rep.Outcomes, o)
	}
	rank := map[string]int{}
	for i, t := range p.Targets {
		rank[t.Name] = i
	}
	for _, o := range outputs {
		same := func(r OutputResult) bool { return r.Target == o.Target && r.Type == o.Type && r.Dest == o.Dest }
		if i := slices.IndexFunc(rep.Outputs, same); i >= 0 { // another platform of it ran
			rep.Outputs[i].Files += o.Files
			rep.Outputs[i].Bytes += o.Bytes
			continue
		}
		rep.Outputs = append(rep.Outputs, o)
	}
	slices.SortStableFunc(rep.Outputs, func(a, b OutputResult) int { return rank[a.Target] - rank[b.Target] })
}
