package plan

import "slices"

// Dependents lists the stage and every stage that needs it, directly or not, in plan order; nil for an unknown id.
func (p *Plan) Dependents(id string) []string {
	if p.Stage(id) == nil {
		return nil
	}
	hit := map[string]bool{id: true}
	var out []string
	for _, s := range p.Stages { // needs come before users, so one pass is enough
		if !hit[s.ID] && slices.ContainsFunc(s.Needs, func(n Need) bool { return hit[n.ID] }) {
			hit[s.ID] = true
		}
		if hit[s.ID] {
			out = append(out, s.ID)
		}
	}
	return out
}

// StoppedBy lists the targets and platforms that cannot be finished without a stage, in plan order, together with those
// given.
func (p *Plan) StoppedBy(id string, known []Use) []Use {
	hit := map[string]bool{}
	for _, s := range p.Dependents(id) {
		hit[s] = true
	}
	var out []Use
	for _, b := range p.Builds {
		u := Use{b.Target, b.Platform.String()}
		if hit[b.Result] || slices.Contains(known, u) {
			out = append(out, u)
		}
	}
	return out
}
