package plan

import (
	"fmt"
	"slices"

	"github.com/xbuild/xbuild/plan/dockerfile"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// refuseSensitive refuses builds whose result would carry a sensitive argument: BuildKit writes the arguments of the stages that an
// image is made of into its history, and provenance with mode=max has all that a build was given.
func (p *planner) refuseSensitive() {
	seen := map[string]bool{}
	refuse := func(b *build, attr, detail string) {
		if seen[b.target.Name+attr] {
			return
		}
		seen[b.target.Name+attr] = true
		p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Error, Code: "sensitive-arg", Summary: "A sensitive value would be published",
			Subject: b.target.At(attr), Detail: detail, Advice: "give the value as a secret: secret = [\"id=NAME,env=VARIABLE\"] and RUN --mount=type=secret,id=NAME"})
	}
	linked := map[Use]bool{}
	for _, b := range p.builds {
		for _, u := range b.links {
			linked[u] = true
		}
	}
	for _, b := range p.builds {
		names := b.values.SensitiveArgs
		if len(names) == 0 {
			continue
		}
		if slices.ContainsFunc(b.values.Attest, fullProvenance) {
			refuse(b, "attest", fmt.Sprintf("Target %s has the sensitive argument %s, and its provenance would hold it (mode=max).", b.target.Name, names[0]))
		}
		if !linked[b.use()] && onlyFiles(b.values.Outputs) {
			continue
		}
		if b.file == nil {
			refuse(b, "args", fmt.Sprintf("Target %s has the sensitive argument %s, and its Dockerfile cannot be looked at to see whether the image would hold it.", b.target.Name, names[0]))
			continue
		}
		if name, line := p.shippedArg(b); name != "" {
			refuse(b, "args", fmt.Sprintf("Target %s gives the sensitive argument %s to a stage that is shipped (%s:%d), so the history of the image would hold it.",
				b.target.Name, name, b.file.Path, line))
		}
	}
}

// fullProvenance reports whether an attestation has the arguments of the build; max is what BuildKit takes for no mode.
func fullProvenance(a schema.Attest) bool {
	return a.Type == "provenance" && !a.Disabled && a.Attrs["mode"] != "min"
}

// onlyFiles reports whether a result goes to places that have no image's history, and to some.
func onlyFiles(outputs []schema.Output) bool {
	return len(outputs) > 0 && !slices.ContainsFunc(outputs, func(o schema.Output) bool { return o.Image() })
}

// shippedArg finds the first declaration of a sensitive argument in the stages that a build ships: its own and those that it is FROM.
func (p *planner) shippedArg(b *build) (name string, line int) {
	g, _ := p.resolved(b, b.file, b.platform)
	if g == nil {
		return "", 0
	}
	sensitive := b.file.TaintedArgs(b.values.SensitiveArgs)
	for n := g.Result; n != nil; n = n.Base {
		if name, line := b.file.DeclaredIn(n.Index, sensitive); name != "" {
			return name, line
		}
		for _, t := range n.Triggers(p.imageConfig) { // which run in this stage
			if name := dockerfile.Declares(t, sensitive); name != "" {
				return name, b.file.Stages[n.Index].Line
			}
		}
	}
	return "", 0
}
