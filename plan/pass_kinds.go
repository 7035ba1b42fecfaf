package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// judgeKinds says of each instance how it runs and why.
func (p *planner) judgeKinds() {
	for i := range p.plan.Stages {
		s := &p.plan.Stages[i]
		in := p.instances[s.ID]
		p.kind(s, in)
		if in.crossed && s.Kind != Assembled {
			e := Proven
			switch {
			case in.vouched != "":
				e = Vouched
			case in.checked != "":
				e = Checked
			}
			s.Evidence = &e
		}
	}
}

func (p *planner) kind(s *Stage, in *instance) {
	set := func(k Kind, code, reason string, args ...any) {
		s.Kind, s.Code, s.Reason = k, code, fmt.Sprintf(reason, args...)
	}
	on := in.build.on
	switch {
	case in.node == nil:
		set(Opaque, "opaque", "%s", in.build.opaque)
	case len(in.node.Runs) == 0:
		set(Assembled, "no-run", "nothing runs in it")
	case !on.native().Executes(in.platform):
		p.emulated(s, in)
	case !in.depends:
		set(Shared, "independent", "nothing in it depends on the target platform")
		if in.vouched == dockerfile.VouchNative {
			set(Shared, "vouched-native", "%s vouches that it does not depend on the platform", p.voucher(in))
		}
		if s.ForksAt != nil { // cannot be: what forks depends
			s.ForksAt = nil
		}
	case in.pinned && in.vouched != "":
		set(Cross, "vouched-fork", "%s vouches that it makes files for the target on %s", p.voucher(in), on.native())
		if in.vouched == dockerfile.VouchNative {
			p.brokenVouch(s, in)
		}
	case in.pinned && in.checked != "":
		set(Cross, "go-checked", "%s; compiled on %s through a wrapper of go, and checked by its result", in.checked, on.native())
	case in.pinned && in.crossed:
		set(Cross, "go-cross", "Go without cgo, compiled on %s", on.native())
	case in.pinned && in.node.ScratchPlatform != nil:
		set(Cross, "pinned-scratch", "--platform on scratch: runs on %s, once per target platform", in.platform)
	case in.pinned:
		set(Cross, "pinned", "pinned to %s by the Dockerfile, depends on the target", in.platform)
	case on != p.hub():
		set(Native, "native-node", "%s runs on the node %s itself", in.platform, on.Name)
	default:
		set(Native, "native", "%s runs on the node itself", in.platform)
	}
}

// voucher names the strategy block that answers for an instance.
func (p *planner) voucher(in *instance) string { return string(p.strategy(in.build.values)) }

// brokenVouch refuses a stage of which it is said that it does not depend on the platform, and the text says that it does.
func (p *planner) brokenVouch(s *Stage, in *instance) {
	why := "it depends on the target platform"
	line := s.Line
	if s.ForksAt != nil {
		why, line = "it forks by "+s.ForksAt.By, s.ForksAt.Line
	} else if len(s.Needs) > 0 {
		why = "what it is made from depends on the target platform"
	}
	d := diag.Diagnostic{Severity: diag.Error, Code: "vouched-native-depends", Summary: "The stage depends on the platform", Subject: diag.LineRange(in.build.file.Path, line),
		Detail: fmt.Sprintf("Stage %s is to run once for all platforms, but %s.", s.Stage, why),
		Advice: "take that away, or name the stage in fork in place of native"}
	if b := p.block(in.build.values); b != nil {
		d.Related = []diag.Related{{Range: *b.At("native"), Message: fmt.Sprintf("strategy %q names it here", b.Name)}}
	}
	if !slices.ContainsFunc(p.diags, func(x diag.Diagnostic) bool { return x.Code == d.Code && x.Detail == d.Detail }) {
		p.diags = append(p.diags, d)
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
	if slices.Contains(p.modes(in.build.values), schema.Native) {
		s.Tried = append(s.Tried, Attempt{Strategy: schema.Native, Code: "no-native-node", Reason: p.noNative(in.platform),
			At: fmt.Sprintf("%s:%d", in.build.file.Path, in.build.userLine(run.Line))})
	}
}

// noNative says why no node takes a platform.
func (p *planner) noNative(q schema.Platform) string {
	if len(p.nodes) == 1 {
		return fmt.Sprintf("the only node is %s, which does not execute %s by itself", p.native(), q)
	}
	return fmt.Sprintf("none of the %d nodes executes %s by itself", len(p.nodes), q)
}
