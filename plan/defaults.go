package plan

import (
	"slices"

	"github.com/xbuild/xbuild/schema"
)

// withDefaultOutput returns the configuration in which targets of Bake files that name no output have the default one of
// the node. The caller's configuration is not changed: targets that get an output are copies.
func withDefaultOutput(cfg *schema.Config, node *NodeFact) *schema.Config {
	if node.DefaultOutput == "" || !cfg.Bake() {
		return cfg
	}
	out := *cfg
	out.Targets = slices.Clone(cfg.Targets)
	for i, t := range out.Targets {
		if len(t.Base.Outputs) > 0 {
			continue
		}
		c := *t
		c.Base.Outputs = []schema.Output{{Type: node.DefaultOutput}}
		out.Targets[i] = &c
	}
	return &out
}
