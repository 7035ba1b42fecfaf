package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// place puts every running stage on the nodes of the builds that need it, and refuses what cannot run there: a platform without an emulator, a
// base image without the platform.
func (p *planner) place() {
	for i := range p.plan.Stages {
		s := &p.plan.Stages[i]
		in := p.instances[s.ID]
		if s.Kind != Assembled {
			for _, b := range in.builds {
				at := Placement{Node: b.on.Name, Platform: in.platform.String()}
				if !slices.Contains(s.Placements, at) {
					s.Placements = append(s.Placements, at)
				}
			}
		}
		if in.node == nil {
			continue
		}
		lacks := p.checkSources(s, in)
		if s.Kind == Emulated && !lacks && !p.checkNative(s, in) {
			p.checkEmulator(s, in)
		}
	}
	p.checkLabels()
}

// checkSources reports images that cannot be had for the platform that a stage needs them for; true if so. A base is needed
// for the platform of the stage, an image that only files are taken from for the target.
func (p *planner) checkSources(s *Stage, in *instance) bool {
	bad := p.checkSource(s, in, in.node.Image, in.node.Platform, s.Line, "base")
	for _, d := range in.node.Deps {
		if d.Image != "" && p.checkSource(s, in, d.Image, in.build.platform, in.build.userLine(d.Line), "copied") {
			bad = true
		}
	}
	return bad
}

func (p *planner) checkSource(s *Stage, in *instance, ref string, q schema.Platform, line int, use string) bool {
	img, known := p.facts.Images[ref]
	if ref == "" || ref == "scratch" || !known {
		return false
	}
	what := map[string]string{"base": "base image", "copied": "image that files are copied from"}[use]
	d := diag.Diagnostic{Severity: diag.Error, Subject: diag.LineRange(in.build.file.Path, line)}
	switch {
	case img.Err != "":
		d.Code, d.Summary = use+"-unresolved", "The "+what+" cannot be resolved"
		d.Detail = fmt.Sprintf("%s: %s.", ref, strings.TrimSuffix(img.Err, "."))
		d.Advice = "check the name and tag, and that BuildKit can reach the registry"
	case len(img.Platforms) > 0 && !serve(p.offered[ref], q) && img.Single:
		d.Severity, d.Code, d.Summary = diag.Warning, use+"-other-platform", "The "+what+" is for another platform"
		d.Detail = fmt.Sprintf("%s is a single image for %s, and is taken as one for %s.", ref, strings.Join(img.Platforms, ", "), q)
		d.Related = p.askedBy(s)
		p.diags = append(p.diags, d)
		return false
	case len(img.Platforms) > 0 && !serve(p.offered[ref], q):
		d.Code, d.Summary = use+"-lacks-platform", "The "+what+" does not exist for the platform"
		d.Detail = fmt.Sprintf("%s is needed for %s, but exists for %s.", ref, q, strings.Join(img.Platforms, ", "))
		d.Advice = "remove the platform from the target, or choose another image"
		p.lacking = append(p.lacking, lackingImage{in, *d.Subject})
		d.Related = triedNotes(s, "no-native-node")
	default:
		return false
	}
	d.Related = append(d.Related, p.askedBy(s)...)
	p.refuseStage(in, d)
	return true
}

// checkLabels refuses images whose last stage is pinned to another platform: BuildKit labels them with the target platform
// all the same, and they would not run there.
func (p *planner) checkLabels() {
	images := map[string]bool{}
	for _, t := range p.plan.Targets {
		images[t.Name] = t.Requested && slices.ContainsFunc(t.Outputs, func(o Output) bool {
			return (&schema.Output{Type: o.Type}).Image()
		})
	}
	for _, b := range p.builds {
		in := p.instances[b.result]
		if in == nil || in.node == nil || !images[b.target.Name] || in.node.Root().Image == "scratch" || b.platform.Takes(in.node.Platform) {
			continue
		}
		p.diags = p.diags.Errorf("wrong-label", diag.LineRange(in.build.file.Path, in.stage.Line), "The image would be labelled with a platform that it is not for",
			"Stage %s is pinned to %s, and target %s ships it as an image for %s.", in.stage.Stage, in.node.Platform, b.target.Name, b.platform)
	}
}

// maxAsked bounds how many targets an error names that ask for the same thing.
const maxAsked = 20

func (p *planner) askedBy(s *Stage) []diag.Related {
	var out []diag.Related
	for _, u := range s.For {
		if len(out) == maxAsked {
			break
		}
		if t := p.targets[u.Target]; t != nil {
			r := diag.Related{Range: *t.At("platforms"), Message: fmt.Sprintf("target %s is built for %s", u.Target, u.Platform)}
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// triedNotes lists the strategies that did not apply, but for the code that the error itself is about.
func triedNotes(s *Stage, except string) []diag.Related {
	var out []diag.Related
	for _, a := range s.Tried {
		if a.Code == except {
			continue
		}
		file, line, _ := strings.Cut(a.At, ":")
		n := 0
		fmt.Sscan(line, &n)
		out = append(out, diag.Related{Range: *diag.LineRange(file, n), Message: fmt.Sprintf("tried %s: %s", a.Strategy, a.Reason)})
	}
	return out
}

// checkNative refuses a stage that would be emulated, for builds that want a native node or nothing; true if so.
func (p *planner) checkNative(s *Stage, in *instance) bool {
	for _, b := range in.builds {
		modes := p.modes(b.values)
		if !slices.Contains(modes, schema.Native) || slices.Contains(modes, schema.Emulate) || slices.Contains(modes, schema.AsWritten) {
			continue
		}
		p.refuseStage(in, diag.Diagnostic{Severity: diag.Error, Code: "no-native-node", Summary: "No node executes the platform",
			Subject: diag.LineRange(in.build.file.Path, in.build.userLine(in.node.Runs[0].Line)),
			Detail:  fmt.Sprintf("Stage %s has a RUN on %s; %s.", s.Stage, in.platform, p.noNative(in.platform)),
			Advice:  fmt.Sprintf("build where a machine that is %s takes part, or choose a strategy that can do without one, like auto", in.platform),
			Related: append(triedNotes(s, "no-native-node"), p.askedStrategy(b))})
		return true
	}
	return false
}

func (p *planner) checkEmulator(s *Stage, in *instance) {
	on := in.build.on
	if p.assumed || on.lists(in.platform) {
		return
	}
	d := diag.Diagnostic{Severity: diag.Error, Code: "no-emulator", Summary: "The platform cannot be run",
		Subject: diag.LineRange(in.build.file.Path, in.build.userLine(in.node.Runs[0].Line)),
		Detail:  fmt.Sprintf("Stage %s has a RUN on %s; the node %s is %s and has no emulator for it.", s.Stage, in.platform, on.Name, on.native()),
		Related: append(triedNotes(s, ""), p.askedBy(s)...)}
	if in.platform.OS == "linux" {
		d.Advice = "on the machine that runs BuildKit: apt-get install -y qemu-user-static"
	} else {
		d.Detail = fmt.Sprintf("Stage %s has a RUN on %s, and nothing emulates %s.", s.Stage, in.platform, in.platform.OS)
		d.Advice = "only stages without RUN, or stages that cross-compile, can be built for " + in.platform.OS
	}
	p.refuseStage(in, d)
}
