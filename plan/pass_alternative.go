package plan

import "slices"

// alternativePasses are those that make sense for what is only there in case: no place is written to twice, and nothing is
// suggested twice.
var alternativePasses = []func(*planner){(*planner).selectTargets, (*planner).namePrivate, (*planner).readDockerfiles, (*planner).chooseStrategy,
	(*planner).resolveStages, (*planner).judgeKinds, (*planner).place, (*planner).dropOptional, (*planner).recordFacts, (*planner).scopeCaches, (*planner).count}

// planAlternative plans the builds that use stages whose evidence is their result once more, without such stages, so that
// nothing has to be decided when a result is wrong. A platform that cannot be reached in another way is missing there.
func (p *planner) planAlternative() {
	checked := p.checkedBuilds()
	var names []string
	for _, b := range p.plan.Builds {
		if u := (Use{b.Target, b.Platform.String()}); b.Requested && checked[u] {
			names = append(names, u.Target+"@"+u.Platform)
		}
	}
	if len(names) == 0 {
		return
	}
	alt := newPlanner(p.cfg, Request{Targets: names, Strategy: p.req.Strategy}, p.facts)
	alt.proofOnly = true
	for _, run := range alternativePasses {
		if run(alt); alt.stop {
			break
		}
	}
	if alt.diags.HasErrors() { // nothing of it can be built
		alt.plan.Builds, alt.plan.Stages = nil, []Stage{}
	}
	p.plan.Alternative = alt.plan
}

// checkedBuilds are the builds that use stages whose evidence is their result, by themselves or in what they link to.
func (p *planner) checkedBuilds() map[Use]bool {
	out := map[Use]bool{}
	for _, b := range p.plan.Builds { // links come before their users
		linked := false
		for _, u := range b.Links {
			linked = linked || out[u]
		}
		if linked || slices.ContainsFunc(b.Stages, func(id string) bool { return p.instances[id].checked != "" }) {
			out[Use{b.Target, b.Platform.String()}] = true
		}
	}
	return out
}
