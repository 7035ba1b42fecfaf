package plan

import (
	"fmt"
	"strings"

	"github.com/xbuild/xbuild/schema"
)

// judgeKinds says of each instance how it runs and why.
func (p *planner) judgeKinds() {
	for i := range p.plan.Stages {
		s := &p.plan.Stages[i]
		in := p.instances[s.ID]
		p.kind(s, in)
		if in.crossed && s.Kind != Assembled {
			e := Proven
			s.Evidence = &e
		}
	}
}

func (p *planner) kind(s *Stage, in *instance) {
	set := func(k Kind, code, reason string, args ...any) {
		s.Kind, s.Code, s.Reason = k, code, fmt.Sprintf(reason, args...)
	}
	switch {
	case in.node == nil:
		set(Opaque, "opaque", "%s", in.build.opaque)
	case len(in.node.Runs) == 0:
		set(Assembled, "no-run", "nothing runs in it")
	case p.foreign(in.platform):
		p.emulated(s, in)
	case !in.depends:
		set(Shared, "independent", "nothing in it depends on the target platform")
		if s.ForksAt != nil { // cannot be: what forks depends
			s.ForksAt = nil
		}
	case in.pinned && in.crossed:
		set(Cross, "go-cross", "Go without cgo, compiled on %s", p.native())
	case in.pinned && in.node.ScratchPlatform != nil:
		set(Cross, "pinned-scratch", "--platform on scratch: runs on %s, once per target platform", in.platform)
	case in.pinned:
		set(Cross, "pinned", "pinned to %s by the Dockerfile, depends on the target", in.platform)
	default:
		set(Native, "native", "%s runs on the node itself", in.platform)
	}
}

// emulated explains a foreign RUN: by the strategy that asked for it, or by what stood against every other way.
func (p *planner) emulated(s *Stage, in *instance) {
	s.Kind = Emulated
	run := in.node.Runs[0]
	what := strings.Join(strings.Fields(strings.Join(run.Cmd.CmdLine, " ")), " ")
	if len(what) > 40 {
		what = what[:37] + "..."
	}
	strategy := p.strategy(in.build.values)
	switch {
	case strategy == schema.Emulate:
		s.Code, s.Reason = "emulate", "strategy emulate: RUN "+what
	case len(s.Tried) > 0 && s.Tried[0].Code == "final-run":
		s.Code, s.Reason = "final-run", "RUN in the final stage: "+what
	case len(s.Tried) > 0:
		s.Code, s.Reason = s.Tried[0].Code, s.Tried[0].Reason
	case strategy == schema.AsWritten:
		s.Code, s.Reason = "as-written", "as written: RUN "+what
	default:
		s.Code, s.Reason = "foreign-run", fmt.Sprintf("RUN on %s: %s", in.platform, what)
	}
}
