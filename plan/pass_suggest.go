package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/plan/dockerfile"
)

// suggest writes the strategy blocks that would spare stages the emulation: one for each Dockerfile and set of stages.
func (p *planner) suggest() {
	emulated, checked := p.improvable()
	for _, b := range p.builds {
		p.suggestFor(b, emulated, false)
		p.suggestFor(b, checked, true)
	}
}

// suggestFor writes the block for those stages of a build that are in a set.
func (p *planner) suggestFor(b *build, set map[improvableStage]bool, checked bool) {
	advice := slices.DeleteFunc(slices.Clone(b.advice), func(a dockerfile.Advice) bool {
		return !set[improvableStage{b.id, a.Stage, b.target.Name}]
	})
	if len(advice) > 0 {
		s := suggestion(b.id, advice)
		s.Checked = checked
		i := slices.IndexFunc(p.plan.Suggestions, func(o Suggestion) bool { return o.Dockerfile == s.Dockerfile && o.Block == s.Block })
		if i < 0 {
			p.plan.Suggestions = append(p.plan.Suggestions, s)
			i = len(p.plan.Suggestions) - 1
		}
		if of := &p.plan.Suggestions[i]; !slices.Contains(of.Targets, b.target.Name) {
			of.Targets = append(of.Targets, b.target.Name)
		}
	}
}

// improvableStage is a stage of a Dockerfile that some platform of a target emulates, or has crossed with its result as evidence.
type improvableStage struct{ dockerfile, stage, target string }

// improvable are the stages where there is something to spare: an emulation, or a check.
func (p *planner) improvable() (emulated, checked map[improvableStage]bool) {
	emulated, checked = map[improvableStage]bool{}, map[improvableStage]bool{}
	for i := range p.plan.Stages {
		s := &p.plan.Stages[i]
		for _, u := range s.For {
			at := improvableStage{s.Dockerfile, s.Stage, u.Target}
			switch {
			case s.Kind == Emulated:
				emulated[at] = true
			case s.Evidence != nil && *s.Evidence == Checked:
				checked[at] = true
			}
		}
	}
	return emulated, checked
}

func suggestion(file string, advice []dockerfile.Advice) Suggestion {
	s := Suggestion{Dockerfile: file, Targets: []string{}, Stages: []SuggestedStage{}}
	var names, native, fork, env, before []string
	add := func(list []string, v string) []string {
		if slices.Contains(list, v) {
			return list
		}
		return append(list, v)
	}
	for _, a := range advice {
		s.Stages = append(s.Stages, SuggestedStage{Stage: a.Stage, Line: a.Line, Recipe: a.Recipe.Name, Vouch: string(a.Recipe.Vouch), If: a.Recipe.If})
		names = add(names, a.Recipe.Code)
		if a.Recipe.Vouch == dockerfile.VouchNative {
			native = add(native, fmt.Sprintf("%q", a.Stage))
		} else {
			fork = add(fork, fmt.Sprintf("%q", a.Stage))
		}
		for _, kv := range a.Tools.Env {
			env = add(env, kv[0]+" = "+kv[1])
		}
		for _, c := range a.Tools.RunBefore {
			before = add(before, c)
		}
	}
	s.Name = strings.Join(names, "_")
	s.Block = blockText(s.Name, native, fork, env, before)
	return s
}

// blockText is a strategy block as xbuild fmt leaves it.
func blockText(name string, native, fork, env, before []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "strategy %q {\n", name)
	one := [][2]string{{"mode", `"auto"`}}
	if len(native) > 0 {
		one = append(one, [2]string{"native", "[" + strings.Join(native, ", ") + "]"})
	}
	if len(fork) > 0 {
		one = append(one, [2]string{"fork", "[" + strings.Join(fork, ", ") + "]"})
	}
	width := 0
	for _, kv := range one {
		width = max(width, len(kv[0]))
	}
	for _, kv := range one {
		fmt.Fprintf(&b, "  %-*s = %s\n", width, kv[0], kv[1])
	}
	if len(env) > 0 {
		width = 0
		for _, kv := range env {
			width = max(width, strings.Index(kv, " = "))
		}
		b.WriteString("  env = {\n")
		for _, kv := range env {
			k, v, _ := strings.Cut(kv, " = ")
			fmt.Fprintf(&b, "    %-*s = %s\n", width, k, v)
		}
		b.WriteString("  }\n")
	}
	if len(before) > 0 {
		b.WriteString("  run_before = [\n")
		for _, c := range before {
			fmt.Fprintf(&b, "    %s,\n", c)
		}
		b.WriteString("  ]\n")
	}
	b.WriteString("}\n")
	return b.String()
}
