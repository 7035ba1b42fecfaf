package plan

import (
	"slices"

	"github.com/xbuild/xbuild/schema"
)

// Choice is a build that a request asks for, or that such a build links to.
type Choice struct {
	Target string
	Values *schema.Build
}

// Choices lists the builds of a request, each once. It needs no facts, so it can be asked what a plan would read before
// anything is read. Problems are left to [Make].
func Choices(cfg *schema.Config, req Request) []Choice {
	p := newPlanner(cfg, req, Facts{})
	p.selectTargets()
	var out []Choice
	seen := map[Choice]bool{}
	for _, b := range p.builds {
		if c := (Choice{b.target.Name, b.values}); !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	}
	return out
}

// Choices lists the builds of a plan with everything that running it reads and writes, also where the plan was saved and may
// have been edited since: with the parts of caches that the executor uses, and with what is built in place of others.
func (p *Plan) Choices() []Choice {
	var out []Choice
	for _, b := range p.Builds {
		v := *b.Values
		v.CacheFrom, v.CacheTo = slices.Concat(v.CacheFrom, b.CacheFrom), slices.Concat(v.CacheTo, b.CacheTo)
		out = append(out, Choice{b.Target, &v})
	}
	if p.Alternative != nil {
		out = append(out, p.Alternative.Choices()...)
	}
	return out
}
