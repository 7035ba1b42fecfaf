package plan

import "slices"

// Without is the plan without some of its builds: what only they need is not in it, and a build that another one links to
// stays, but its outputs are not asked for. The plan itself is not changed; the new one shares its parts.
func (p *Plan) Without(done []Use) *Plan {
	drop := map[Use]bool{}
	for _, u := range done {
		drop[u] = true
	}
	out := *p
	out.Builds = nil
	needed := map[Use]bool{}
	for i := len(p.Builds) - 1; i >= 0; i-- { // those that link come after those they link to
		b := p.Builds[i]
		u := Use{b.Target, b.Platform.String()}
		b.Requested = b.Requested && !drop[u]
		if !b.Requested && !needed[u] {
			continue
		}
		for _, l := range b.Links {
			needed[l] = true
		}
		needed[u] = true
		out.Builds = append(out.Builds, b)
	}
	slices.Reverse(out.Builds)
	out.Stages, out.Targets = []Stage{}, []Target{}
	for _, s := range p.Stages {
		s.For = slices.DeleteFunc(slices.Clone(s.For), func(u Use) bool { return !needed[u] })
		if len(s.For) > 0 {
			out.Stages = append(out.Stages, s)
		}
	}
	for _, t := range p.Targets {
		of := func(requested bool) bool {
			return slices.ContainsFunc(out.Builds, func(b Build) bool { return b.Target == t.Name && (b.Requested || !requested) })
		}
		if of(false) || len(t.Missing) > 0 {
			t.Requested = t.Requested && of(true)
			out.Targets = append(out.Targets, t)
		}
	}
	if p.Alternative != nil {
		out.Alternative = p.Alternative.Without(done)
	}
	out.Counts = Counts{}
	out.Counts.add(out.Stages)
	return &out
}
