package plan

// count sums up the kinds.
func (p *planner) count() {
	c := &p.plan.Counts
	for _, s := range p.plan.Stages {
		c.Stages++
		switch s.Kind {
		case Shared:
			c.Shared++
		case Cross:
			c.Cross++
		case Native:
			c.Native++
		case Emulated:
			c.Emulated++
		case Assembled:
			c.Assembled++
		case Opaque:
			c.Opaque++
		}
	}
}
