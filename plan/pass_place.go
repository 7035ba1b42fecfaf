package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// place puts every running stage on the hub node and refuses what cannot run there: a platform without an emulator, a
// base image without the platform.
func (p *planner) place() {
	p.recordFacts()
	for i := range p.plan.Stages {
		s := &p.plan.Stages[i]
		in := p.instances[s.ID]
		if s.Kind != Assembled {
			s.Placements = append(s.Placements, Placement{Node: p.hub.Name, Platform: in.platform.String()})
		}
		if in.node == nil {
			continue
		}
		p.checkLabel(s, in)
		lacks := p.checkBase(s, in)
		if s.Kind == Emulated && !lacks {
			p.checkEmulator(s, in)
		}
	}
}

func (p *planner) recordFacts() {
	f := &p.plan.Facts
	n := Node{Name: p.hub.Name, Native: p.native().String(), Platforms: []string{}, Assumed: p.assumed}
	for _, q := range p.hub.Platforms {
		n.Platforms = append(n.Platforms, q.String())
		if p.foreign(q) {
			f.Emulators = append(f.Emulators, q.String())
		}
	}
	f.Nodes = append(f.Nodes, n)
	for _, ref := range sortedKeys(p.facts.Images) {
		used := slices.ContainsFunc(p.plan.Stages, func(s Stage) bool {
			return slices.ContainsFunc(s.Inputs, func(in Input) bool { return in.Kind == "image" && in.Ref == ref })
		})
		if used {
			img := p.facts.Images[ref]
			img.Ref = ref
			f.Images = append(f.Images, img)
		}
	}
}

// checkBase reports a base image that cannot be had for the platform of the stage; true if so.
func (p *planner) checkBase(s *Stage, in *instance) bool {
	ref := in.node.Image
	img, known := p.facts.Images[ref]
	if ref == "" || ref == "scratch" || !known {
		return false
	}
	at := diag.LineRange(in.build.file.Path, s.Line)
	d := diag.Diagnostic{Severity: diag.Error, Subject: at, Related: p.askedBy(s)}
	switch {
	case img.Err != "":
		d.Code, d.Summary, d.Detail = "base-unresolved", "The base image cannot be resolved", fmt.Sprintf("%s: %s.", ref, strings.TrimSuffix(img.Err, "."))
		d.Advice = "check the name and tag, and that BuildKit can reach the registry"
	case len(img.Platforms) > 0 && !imageServes(img.Platforms, in.node.Platform):
		d.Code, d.Summary = "base-lacks-platform", "The base image does not exist for the platform"
		d.Detail = fmt.Sprintf("%s is needed for %s, but exists for %s.", ref, in.node.Platform, strings.Join(img.Platforms, ", "))
		d.Advice = "remove the platform from the target, or choose another base"
		d.Related = append(p.triedNotes(in, s), d.Related...)
	default:
		return false
	}
	p.diags = append(p.diags, d)
	return true
}

// checkLabel refuses an image whose last stage is pinned to another platform: BuildKit labels it with the target platform
// all the same, and it would not run there.
func (p *planner) checkLabel(s *Stage, in *instance) {
	for _, b := range p.plan.Builds {
		t := p.plan.Target(b.Target)
		image := t != nil && t.Requested && slices.ContainsFunc(t.Outputs, func(o Output) bool {
			return (&schema.Output{Type: o.Type}).Image()
		})
		if b.Result != s.ID || !image || in.node.Root().Image == "scratch" || b.Platform.Takes(in.node.Platform) {
			continue
		}
		p.diags = p.diags.Errorf("wrong-label", diag.LineRange(in.build.file.Path, s.Line), "The image would be labelled with a platform that it is not for",
			"Stage %s is pinned to %s, and target %s ships it as an image for %s.", s.Stage, in.node.Platform, b.Target, b.Platform)
	}
}

func (p *planner) askedBy(s *Stage) []diag.Related {
	var out []diag.Related
	for _, u := range s.For {
		if t := p.cfg.Target(u.Target); t != nil {
			r := diag.Related{Range: *t.At("platforms"), Message: fmt.Sprintf("target %s is built for %s", u.Target, u.Platform)}
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// triedNotes lists the strategies that did not apply.
func (p *planner) triedNotes(in *instance, s *Stage) []diag.Related {
	var out []diag.Related
	for _, a := range s.Tried {
		file, line, _ := strings.Cut(a.At, ":")
		n := 0
		fmt.Sscan(line, &n)
		out = append(out, diag.Related{Range: *diag.LineRange(file, n), Message: fmt.Sprintf("tried %s: %s", a.Strategy, a.Reason)})
	}
	return out
}

func (p *planner) checkEmulator(s *Stage, in *instance) {
	if p.assumed || slices.ContainsFunc(p.hub.Platforms, func(q schema.Platform) bool { return q.Executes(in.platform) }) {
		return
	}
	d := diag.Diagnostic{Severity: diag.Error, Code: "no-emulator", Summary: "The platform cannot be run",
		Subject: diag.LineRange(in.build.file.Path, in.build.userLine(in.node.Runs[0].Line)),
		Detail:  fmt.Sprintf("Stage %s has a RUN on %s; the node %s is %s and has no emulator for it.", s.Stage, in.platform, p.hub.Name, p.native()),
		Related: append(p.triedNotes(in, s), p.askedBy(s)...)}
	if in.platform.OS == "linux" {
		d.Advice = "on the machine that runs BuildKit: apt-get install -y qemu-user-static"
	} else {
		d.Detail = fmt.Sprintf("Stage %s has a RUN on %s, and nothing emulates %s.", s.Stage, in.platform, in.platform.OS)
		d.Advice = "only stages without RUN, or stages that cross-compile, can be built for " + in.platform.OS
	}
	p.diags = append(p.diags, d)
}
