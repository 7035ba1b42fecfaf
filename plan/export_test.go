package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// PassNames are the names of the passes, in order.
func PassNames() []string {
	var out []string
	for _, p := range passes {
		out = append(out, p.name)
	}
	return out
}

// RunPass runs the passes up to the named one and says what that one did: its own view of the state, and the diagnostics
// that it added.
func RunPass(name string, cfg *schema.Config, req Request, facts Facts) (state string, added diag.List) {
	p := newPlanner(cfg, req, facts)
	for _, pass := range passes {
		before := len(p.diags)
		pass.run(p)
		if pass.name != name {
			if p.stop {
				return "stopped by the pass " + pass.name + "\n", p.diags
			}
			continue
		}
		var b strings.Builder
		views[name](p, &b)
		if p.stop {
			b.WriteString("stop\n")
		}
		return b.String(), p.diags[before:]
	}
	return "", nil
}

// views show what each pass is for, in few words.
var views = map[string]func(p *planner, b *strings.Builder){
	"images": func(*planner, *strings.Builder) {}, // it only refuses
	"select": func(p *planner, b *strings.Builder) {
		for _, x := range p.builds {
			fmt.Fprintf(b, "%s requested=%t links=%v\n", at(x.use()), x.requested, x.links)
		}
	},
	"unused":    func(*planner, *strings.Builder) {}, // it only tells
	"levels":    func(*planner, *strings.Builder) {}, // it only warns
	"sensitive": func(*planner, *strings.Builder) {}, // it only refuses
	"private": func(p *planner, b *strings.Builder) {
		for _, x := range p.builds {
			fmt.Fprintf(b, "%s secrets=%v ssh=%v\n", at(x.use()), x.secretNames, x.sshNames)
		}
	},
	"dockerfiles": func(p *planner, b *strings.Builder) {
		for _, x := range p.builds {
			fmt.Fprintf(b, "%s ", at(x.use()))
			if x.file == nil {
				fmt.Fprintf(b, "opaque=%q frontend=%q\n", x.opaque, x.frontend)
				continue
			}
			fmt.Fprintf(b, "%s stages=%v frontend=%q\n", x.file.Path, x.file.Names(), x.frontend)
		}
	},
	"strategy": func(p *planner, b *strings.Builder) {
		for _, x := range p.builds {
			fmt.Fprintf(b, "%s modes=%v rewritten=%t crossed=%v vouched=%v args=%v\n", at(x.use()), p.modes(x.values), x.final != x.file,
				slices.Sorted(maps.Keys(x.crossed)), x.vouched, x.args[x.platform])
			for _, i := range slices.Sorted(maps.Keys(x.tried)) {
				for _, a := range x.tried[i] {
					fmt.Fprintf(b, "  %s: not %s: %s (%s)\n", x.file.Stages[i].Title(), a.Strategy, a.Reason, a.At)
				}
			}
		}
	},
	"stages": func(p *planner, b *strings.Builder) {
		names := titles(p)
		for _, s := range p.plan.Stages {
			fmt.Fprintf(b, "%s depends=%t pinned=%t", names[s.ID], p.instances[s.ID].depends, p.instances[s.ID].pinned)
			for _, n := range s.Needs {
				fmt.Fprintf(b, " %s=%s:%d", n.Via, names[n.ID], n.Line)
			}
			for _, in := range s.Inputs {
				fmt.Fprintf(b, " %s=%s", in.Kind, in.Ref)
			}
			if f := s.ForksAt; f != nil {
				fmt.Fprintf(b, " forks at %d by %s, reaches %d, shares %d below %d", f.Line, f.By, f.Steps, f.Shared, f.MoveBelow)
			}
			b.WriteByte('\n')
		}
	},
	"kinds": func(p *planner, b *strings.Builder) {
		for _, s := range p.plan.Stages {
			evidence := "none"
			if s.Evidence != nil {
				evidence = string(*s.Evidence)
			}
			fmt.Fprintf(b, "%s: %s, %s (%s; evidence %s)\n", titles(p)[s.ID], s.Kind, s.Code, s.Reason, evidence)
		}
	},
	"place": func(p *planner, b *strings.Builder) {
		for _, s := range p.plan.Stages {
			fmt.Fprintf(b, "%s %v\n", titles(p)[s.ID], s.Placements)
		}
		for _, x := range p.builds {
			if d, ok := p.blocked[x]; ok {
				fmt.Fprintf(b, "cannot be built: %s: %s\n", at(x.use()), d.Code)
			}
		}
	},
	"optional": func(p *planner, b *strings.Builder) {
		for _, t := range p.plan.Targets {
			fmt.Fprintf(b, "%s platforms=%v missing=%v\n", t.Name, t.Platforms, t.Missing)
		}
		for _, s := range p.plan.Stages {
			fmt.Fprintf(b, "%s", titles(p)[s.ID])
			for _, n := range s.Needs {
				fmt.Fprintf(b, " %s=%s", n.Via, titles(p)[n.ID])
			}
			b.WriteByte('\n')
		}
	},
	"facts": func(p *planner, b *strings.Builder) {
		fmt.Fprintf(b, "nodes %+v\nemulators %v\n", p.plan.Facts.Nodes, p.plan.Facts.Emulators)
		for _, i := range p.plan.Facts.Images {
			fmt.Fprintf(b, "image %s %s %v\n", i.Ref, i.Digest, i.Platforms)
		}
	},
	"caches": func(p *planner, b *strings.Builder) {
		for _, x := range p.plan.Builds {
			fmt.Fprintf(b, "%s@%s to=%v from=%v\n", x.Target, x.Platform, x.CacheTo, x.CacheFrom)
		}
	},
	"collide": func(p *planner, b *strings.Builder) {
		for _, x := range p.plan.Builds {
			if len(x.Shares) > 0 {
				fmt.Fprintf(b, "%s shares=%v\n", at(Use{x.Target, x.Platform.String()}), x.Shares)
			}
		}
	},
	"suggest": func(p *planner, b *strings.Builder) {
		for _, s := range p.plan.Suggestions {
			fmt.Fprintf(b, "%v %+v\n%s", s.Targets, s.Stages, s.Block)
		}
	},
	"alternative": func(p *planner, b *strings.Builder) {
		a := p.plan.Alternative
		if a == nil {
			b.WriteString("none\n")
			return
		}
		for _, s := range a.Stages {
			fmt.Fprintf(b, "%s for %v: %s, %s\n", s.Stage, s.For, s.Kind, s.Code)
		}
		for _, t := range a.Targets {
			fmt.Fprintf(b, "%s platforms=%v missing=%v\n", t.Name, t.Platforms, t.Missing)
		}
	},
	"count": func(p *planner, b *strings.Builder) { fmt.Fprintf(b, "%+v\n", p.plan.Counts) },
}

func at(u Use) string { return u.Target + "@" + u.Platform }

// titles name instances by their stage and first user: an id says nothing to a reader.
func titles(p *planner) map[string]string {
	out := map[string]string{}
	for id, in := range p.instances {
		name := "?"
		if len(in.stage.For) > 0 {
			name = at(in.stage.For[0])
		}
		out[id] = fmt.Sprintf("%s(%s", in.stage.Stage, name)
		if n := len(in.stage.For); n > 1 {
			out[id] += fmt.Sprintf("+%d", n-1)
		}
		out[id] += ")"
	}
	return out
}
