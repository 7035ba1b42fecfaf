package plan

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// checkCollisions refuses two targets that write the same folder or tag. Bake builds them, so for its files that is a
// warning, and the last target in the order of the files wins.
func (p *planner) checkCollisions() {
	places := p.places()
	if p.cfg.Bake() {
		p.warnShared(places)
		p.markShares(places)
	} else {
		p.refuseShared(places)
	}
	for i := range p.plan.Targets {
		if t := &p.plan.Targets[i]; t.Requested {
			p.checkOutputs(t)
		}
	}
}

// place is somewhere that results of requested targets go to.
type place struct {
	attr, code, what string // of messages
	name             string
	targets          []string // in the order of the build file, each once
}

// places are all places that the plan writes to, in the order of first use.
func (p *planner) places() []*place {
	var out []*place
	at := map[[2]string]*place{}
	add := func(attr, code, what, name, target string) {
		key := [2]string{what, name}
		if what == "tag" {
			key[1] = schema.FullName(name)
		}
		pl := at[key]
		if pl == nil {
			pl = &place{attr: attr, code: code, what: what, name: name}
			at[key] = pl
			out = append(out, pl)
		}
		pl.targets = addOnce(pl.targets, target)
	}
	for _, t := range p.plan.Targets {
		if !t.Requested {
			continue
		}
		image := false
		for _, o := range t.Outputs {
			so := o.schema()
			switch so.Place() {
			case schema.Folder:
				add("output", "output-collision", "folder", o.Dest, t.Name)
			case schema.Archive:
				add("output", "output-collision", "archive", o.Dest, t.Name)
			}
			if !so.Image() || so.Place() != schema.NoPlace {
				continue
			}
			image = true
			if name := o.Attrs["name"]; name != "" && len(t.Tags) == 0 {
				for tag := range strings.SplitSeq(name, ",") {
					add("output", "tag-collision", "tag", tag, t.Name)
				}
			}
		}
		for _, tag := range t.Tags {
			if image {
				add("tags", "tag-collision", "tag", tag, t.Name)
			}
		}
	}
	return out
}

func (o *Output) schema() *schema.Output {
	return &schema.Output{Type: o.Type, Dest: o.Dest, Push: o.Push, Attrs: o.Attrs}
}

func (p *planner) refuseShared(places []*place) {
	for _, pl := range places {
		for _, target := range pl.targets[1:] {
			p.refuseBoth(pl, pl.targets[0], target)
		}
	}
}

func (p *planner) refuseBoth(pl *place, first, target string) {
	p.diags = append(p.diags, diag.Diagnostic{Severity: diag.Error, Code: pl.code, Summary: "Two targets write to the same place",
		Subject: p.targets[target].At(pl.attr), Detail: fmt.Sprintf("%s and %s both write the %s %s.", first, target, pl.what, pl.name),
		Related: []diag.Related{{Range: *p.targets[first].At(pl.attr), Message: "the other one"}}})
}

// warnShared says in one warning which places have several writers, and who wins. Standard output can have one only.
func (p *planner) warnShared(places []*place) {
	var lines []string
	var first *place
	for _, pl := range places {
		if len(pl.targets) == 1 {
			continue
		}
		if pl.name == schema.Stdout {
			for _, target := range pl.targets[1:] {
				p.refuseBoth(pl, pl.targets[0], target)
			}
			continue
		}
		if first == nil {
			first = pl
		}
		last := pl.targets[len(pl.targets)-1]
		wins := map[string]string{"folder": "of a file that several of them make, that of " + last + " is kept", "archive": "that of " + last + " is kept", "tag": "it will name the image of " + last}[pl.what]
		lines = append(lines, fmt.Sprintf("%s write the %s %s: %s.", strings.Join(pl.targets, ", "), pl.what, pl.name, wins))
	}
	if first == nil {
		return
	}
	d := diag.Diagnostic{Severity: diag.Warning, Code: first.code, Summary: "Several targets write to the same place", Detail: strings.Join(lines, "\n"),
		Subject: p.targets[first.targets[len(first.targets)-1]].At(first.attr), Advice: "give each target a place of its own"}
	for _, name := range first.targets[:len(first.targets)-1] {
		d.Related = append(d.Related, diag.Related{Range: *p.targets[name].At(first.attr), Message: "another one"})
	}
	p.diags = append(p.diags, d)
}

// markShares tells each build which targets write to a place of its target, or to a folder inside or around one, directly or
// through others.
func (p *planner) markShares(places []*place) {
	group := map[string]string{} // a target's representative, by which those that share are found
	var find func(string) string
	find = func(t string) string {
		if up, ok := group[t]; ok && up != t {
			group[t] = find(up)
			return group[t]
		}
		return t
	}
	join := func(a, b *place) {
		for _, t := range b.targets {
			group[find(t)] = find(a.targets[0])
		}
	}
	folders := map[string]*place{}
	for _, pl := range places {
		if join(pl, pl); pl.what == "folder" {
			folders[filepath.Clean(pl.name)] = pl
		}
	}
	for _, pl := range places {
		if pl.what == "tag" || pl.name == schema.Stdout {
			continue
		}
		for dir, parent := pl.name, filepath.Dir(pl.name); parent != dir; dir, parent = parent, filepath.Dir(parent) {
			if around := folders[parent]; around != nil {
				join(around, pl)
			}
		}
	}
	members := map[string][]string{}
	for _, t := range p.plan.Targets {
		members[find(t.Name)] = append(members[find(t.Name)], t.Name)
	}
	for i := range p.plan.Builds {
		if b := &p.plan.Builds[i]; b.Requested && len(members[find(b.Target)]) > 1 {
			b.Shares = members[find(b.Target)]
		}
	}
}

// checkOutputs refuses outputs of a target that cannot be made as it says.
func (p *planner) checkOutputs(t *Target) {
	stdout := 0
	for _, o := range t.Outputs {
		if o.Dest == schema.Stdout {
			stdout++
		}
		p.checkImage(t, o.schema(), o.Platform != "")
	}
	if stdout > 1 {
		p.diags = p.diags.Errorf("output-collision", p.targets[t.Name].At("output"), "Two outputs go to standard output", "%d outputs of target %s do.", stdout, t.Name)
	}
}

// checkImage refuses an image that cannot be made as the target says. own says that each platform has a place of its own.
func (p *planner) checkImage(t *Target, o *schema.Output, own bool) {
	at := p.targets[t.Name].At("output")
	switch {
	case o.Type == schema.OutputImage && len(t.Tags) == 0 && o.Attrs["name"] == "" && (o.Push || !p.cfg.Bake()):
		p.diags = p.diags.Errorf("image-without-tag", at, "An image has no name", "target %s writes an image, but has no tags.", t.Name)
	case o.Type == schema.OutputDocker && o.Dest != "" && t.Declared > 1 && !own:
		p.diags = p.diags.Errorf("docker-archive-platforms", at, "A docker archive holds one platform",
			"target %s is declared for %d platforms and writes %s; use type=oci, or give each platform an archive of its own.", t.Name, t.Declared, o.Dest)
	}
}
