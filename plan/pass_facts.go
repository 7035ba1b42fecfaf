package plan

// recordFacts keeps what the plan used of the facts.
func (p *planner) recordFacts() {
	f := &p.plan.Facts
	for i := range p.nodes {
		have := &p.nodes[i]
		n := Node{Name: have.Name, Native: have.native().String(), Platforms: []string{}, Assumed: p.assumed}
		for _, q := range have.Platforms {
			n.Platforms = append(n.Platforms, q.String())
			if i == 0 && p.foreign(q) {
				f.Emulators = append(f.Emulators, q.String())
			}
		}
		f.Nodes = append(f.Nodes, n)
	}
	used := map[string]bool{}
	for i := range p.plan.Stages {
		for _, in := range p.plan.Stages[i].Inputs {
			used[in.Ref] = used[in.Ref] || in.Kind == "image"
		}
	}
	for _, ref := range sortedKeys(p.facts.Images) {
		if used[ref] {
			img := p.facts.Images[ref]
			img.Ref = ref
			f.Images = append(f.Images, img)
		}
	}
}
