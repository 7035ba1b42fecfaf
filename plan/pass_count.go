package plan

// count sums up the kinds.
func (p *planner) count() { p.plan.Counts.add(p.plan.Stages) }

func (c *Counts) add(stages []Stage) {
	for _, s := range stages {
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
