package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// refuseStage says that an instance cannot be made: an error, unless only optional platforms need it.
func (p *planner) refuseStage(in *instance, d diag.Diagnostic) {
	stopped := p.users(in.builds)
	if !p.proofOnly && slices.ContainsFunc(stopped, func(b *build) bool { return b.requested && !b.values.Optional }) {
		p.diags = append(p.diags, d)
		return
	}
	for _, b := range stopped {
		if _, known := p.blocked[b]; !known {
			p.blocked[b] = d
		}
	}
}

// users are the builds and all that link to them, directly or not.
func (p *planner) users(builds []*build) []*build {
	if p.linkedBy == nil {
		p.linkedBy = map[Use][]*build{}
		for _, b := range p.builds {
			for _, u := range b.links {
				p.linkedBy[u] = append(p.linkedBy[u], b)
			}
		}
	}
	var out []*build
	seen := map[*build]bool{}
	for queue := builds; len(queue) > 0; queue = queue[1:] {
		b := queue[0]
		if seen[b] {
			continue
		}
		seen[b] = true
		out = append(out, b)
		queue = slices.Concat(queue, p.linkedBy[b.use()])
	}
	return out
}

func (b *build) use() Use { return Use{b.target.Name, b.platform.String()} }

// dropOptional takes the builds that cannot be made out of the plan, with a note for each, and what only they needed.
func (p *planner) dropOptional() {
	if len(p.blocked) == 0 || p.diags.HasErrors() {
		return
	}
	for _, b := range p.builds {
		d, out := p.blocked[b]
		if !out || !b.requested {
			continue
		}
		related := []diag.Related{{Range: *b.target.At("optional"), Message: "target " + b.target.Name + " is optional there"}}
		p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Note, Code: "optional-dropped", Summary: "An optional platform is left out", Subject: d.Subject,
			Detail: fmt.Sprintf("Target %s is not built for %s: %s", b.target.Name, b.platform, d.Detail), Advice: d.Advice, Related: related})
	}
	needed := map[Use]bool{}
	for _, b := range slices.Backward(p.builds) { // users come after what they link to
		if _, out := p.blocked[b]; out || !b.requested && !needed[b.use()] {
			continue
		}
		needed[b.use()] = true
		for _, u := range b.links {
			needed[u] = true
		}
	}
	if len(needed) == 0 {
		p.diags = p.diags.Errorf("nothing-left", nil, "Nothing is left to build", "Every platform that was asked for is optional, and none of them can be built.")
	}
	gone := func(u Use) bool { return !needed[u] }
	p.builds = slices.DeleteFunc(p.builds, func(b *build) bool { return gone(b.use()) })
	p.plan.Builds = slices.DeleteFunc(p.plan.Builds, func(b Build) bool { return gone(Use{b.Target, b.Platform.String()}) })
	for i := range p.plan.Stages {
		s := &p.plan.Stages[i]
		s.For = slices.DeleteFunc(s.For, gone)
		in := p.instances[s.ID]
		in.builds = slices.DeleteFunc(in.builds, func(b *build) bool { return gone(b.use()) })
		s.Placements = slices.DeleteFunc(s.Placements, func(at Placement) bool {
			return !slices.ContainsFunc(in.builds, func(b *build) bool { return b.on.Name == at.Node })
		})
	}
	p.plan.Stages = slices.DeleteFunc(p.plan.Stages, func(s Stage) bool { return len(s.For) == 0 })
	left := map[string]bool{}
	for i := range p.plan.Stages {
		left[p.plan.Stages[i].ID] = true
	}
	for i := range p.plan.Stages { // what only stood before a stage in time
		s := &p.plan.Stages[i]
		s.Needs = slices.DeleteFunc(s.Needs, func(n Need) bool { return !left[n.ID] })
	}
	used := map[string]bool{}
	for _, b := range p.builds {
		used[b.id] = true
	}
	p.plan.Dockerfiles = slices.DeleteFunc(p.plan.Dockerfiles, func(d Dockerfile) bool { return !used[d.ID] })
	p.addTargets()
}

// missing are the platforms of a target that are left out, in declared order.
func (p *planner) missing(t *schema.Target, builds []*build) []Missing {
	out := []Missing{}
	slices.SortFunc(builds, func(a, b *build) int {
		return slices.Index(t.Platforms, a.platform) - slices.Index(t.Platforms, b.platform)
	})
	for _, b := range builds {
		d := p.blocked[b]
		out = append(out, Missing{Platform: b.platform.String(), Code: d.Code, Reason: strings.TrimSuffix(d.Detail, ".")})
	}
	return out
}
