package dockerfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/xbuild/xbuild/schema"
)

// Vouch is what the author of a build file answers for where nothing can be proven about a stage.
type Vouch string

// The kinds of vouching.
const (
	// VouchNative: the result does not depend on the target, so the stage may run once, on the build platform.
	VouchNative Vouch = "native"
	// VouchFork: the stage runs on the build platform and makes something for the target.
	VouchFork Vouch = "fork"
)

// Given is what vouched forks get, by platform.
type Given struct {
	Env       map[schema.Platform]map[string]string
	RunBefore map[schema.Platform][]string
}

// vouched reports whether someone answers for a stage of the group.
func (grp *Group) vouched(in CrossInput) bool {
	return slices.ContainsFunc(grp.Stages, func(i int) bool { return in.Vouched[i] != "" })
}

// vouch drops the problems of the steps that someone answers for.
func (a *analysis) vouch(grp *Group, g *Graph, in CrossInput) {
	if !grp.vouched(in) {
		return
	}
	titles := map[string]bool{}
	for _, i := range grp.Stages {
		titles[g.Nodes[i].Title()] = in.Vouched[i] != ""
	}
	a.problems = slices.DeleteFunc(a.problems, func(p Problem) bool { return titles[p.Stage] })
}

// first is the RUN of a stage before which it is told its target; nil if it need not be told.
func (a *analysis) first(n *Node, given *given) *Run {
	switch a.vouched[n.Index] {
	case VouchNative:
		return nil
	case VouchFork:
		return given.first(n)
	}
	return a.sensitive[n.Index]
}

// given is how the forks of one file get what they are given.
type given struct {
	// vars and commands are in the order of the lines that bring them.
	vars     []givenVar
	commands []givenVar
	args     map[schema.Platform]map[string]string
}

// givenVar is one variable or command. Where the value is not the same for all platforms, or cannot be written as it is,
// a build argument brings it.
type givenVar struct {
	name   string // of the variable, "" for a command
	arg    string // of the build argument, "" if the value stands in the file
	value  string
	values []string // "VALUE on PLATFORM", if they differ
}

// give works out the lines for what in gives.
func (f *File) give(in CrossInput) *given {
	out := &given{args: map[schema.Platform]map[string]string{}}
	if len(in.Given.Env)+len(in.Given.RunBefore) == 0 {
		return out
	}
	declared := f.declaredArgs(in.Vouched)
	names := map[string]bool{}
	commands := 0
	for _, g := range in.Graphs {
		for k := range in.Given.Env[g.Target] {
			names[k] = true
		}
		commands = max(commands, len(in.Given.RunBefore[g.Target]))
	}
	for _, k := range slices.Sorted(maps.Keys(names)) {
		v := givenVar{name: k, arg: k}
		outside, inside := declared[k] > 1, declared[k] > 0
		if outside {
			v.arg = "XBUILD_" + k
		}
		out.vars = append(out.vars, out.add(in, v, inside, func(p schema.Platform) (string, bool) {
			s, ok := in.Given.Env[p][k]
			return s, ok
		}))
	}
	for i := range commands {
		out.commands = append(out.commands, out.add(in, givenVar{arg: fmt.Sprintf("XBUILD_RUN_%d", i+1)}, false, func(p schema.Platform) (string, bool) {
			if c := in.Given.RunBefore[p]; i < len(c) {
				return c[i], true
			}
			return "", false
		}))
	}
	return out
}

// add completes v with its values.
func (gv *given) add(in CrossInput, v givenVar, byArg bool, value func(schema.Platform) (string, bool)) givenVar {
	var values []string
	for _, g := range in.Graphs {
		s, ok := value(g.Target)
		if !ok {
			byArg = true
			continue
		}
		if !slices.Contains(values, s) {
			values = append(values, s)
		}
		v.values = append(v.values, fmt.Sprintf("%s on %s", s, g.Target))
	}
	// A value in the file must mean there what it means in the build file.
	special := "\"\\`$"
	if v.name == "" {
		special = "\\`<"
	}
	if len(values) == 1 && !byArg && !strings.ContainsAny(values[0], special) && !strings.HasPrefix(values[0], "[") {
		v.arg, v.value, v.values = "", values[0], nil
		return v
	}
	for _, g := range in.Graphs {
		if s, ok := value(g.Target); ok {
			if gv.args[g.Target] == nil {
				gv.args[g.Target] = map[string]string{}
			}
			gv.args[g.Target][v.arg] = s
		}
	}
	return v
}

// declaredArgs says where the file declares arguments: 1 only in forks, 2 also elsewhere.
func (f *File) declaredArgs(vouched map[int]Vouch) map[string]int {
	out := map[string]int{}
	for _, c := range f.meta {
		for _, a := range c.Args {
			out[a.Key] = 2
		}
	}
	for i, commands := range f.commands {
		for _, c := range commands {
			arg, ok := c.fixed.(*instructions.ArgCommand)
			if !ok {
				continue
			}
			where := 2
			if vouched[i] == VouchFork {
				where = 1
			}
			for _, a := range arg.Args {
				out[a.Key] = max(out[a.Key], where)
			}
		}
	}
	return out
}

// first is the first RUN of a fork that may need what is given: one that names it, or that does more than to install
// packages and to handle files. Without such a RUN it is the last one.
func (gv *given) first(n *Node) *Run {
	names := []string{"TARGETOS", "TARGETARCH", "TARGETVARIANT", "TARGETPLATFORM"}
	for _, v := range gv.vars {
		names = append(names, v.name)
	}
	for _, r := range n.Runs {
		if r.Line > n.Line && (r.names(names) || !r.neutral(n)) {
			return r
		}
	}
	if len(n.Runs) > 0 && n.Runs[len(n.Runs)-1].Line > n.Line {
		return n.Runs[len(n.Runs)-1]
	}
	return nil
}

// names reports whether the text of the RUN names one of the variables.
func (r *Run) names(vars []string) bool {
	text := strings.Join(r.Cmd.CmdLine, " ")
	for _, f := range r.Cmd.Files {
		text += "\n" + f.Data
	}
	return slices.ContainsFunc(vars, func(v string) bool { return strings.Contains(text, v) })
}

// installers put packages for the machine they run on where it finds them; they look at no variable of a compiler.
var installers = strings.Fields("apk apt apt-get yum dnf microdnf zypper pacman")

// neutral reports whether the RUN only installs packages, downloads modules and handles files.
func (r *Run) neutral(n *Node) bool {
	s := parseScript(scriptInput{Run: r, Shell: n.Shell, Known: n.envKnown})
	if s.Opaque != "" {
		return false
	}
	for _, c := range s.Calls {
		name, system := commandName(c.Args[0].Text)
		switch {
		case !system || c.Args[0].Dyn:
			return false
		case slices.Contains(installers, name):
		case name == "go" && len(c.Args) > 1 && slices.Contains([]string{"mod", "version", "env"}, c.Args[1].Text):
		case slices.Contains(neutralCommands, name) && neutralArgs(name, c) == nil:
		default:
			return false
		}
	}
	return true
}

// lines are what stands before the first RUN of a fork that needs its target.
func (gv *given) lines(n *Node, r *Run, a *analysis, args goArgs) []string {
	var out []string
	if line := r.declare(args.usesOrTarget); line != "" {
		out = append(out, line)
	}
	if a.stageCompiles[n.Index] || isGolang(n.Root().Image) {
		cgo := ""
		if !slices.ContainsFunc(gv.vars, func(v givenVar) bool { return v.name == "CGO_ENABLED" || v.name == "CC" }) {
			if _, ok := r.Env.Get("CGO_ENABLED"); !ok {
				cgo = " CGO_ENABLED=0"
			}
		}
		out = append(out, args.lines(cgo)...)
	}
	for _, v := range gv.vars {
		for _, s := range v.values {
			out = append(out, fmt.Sprintf("# %s is %s", v.name, s))
		}
		switch {
		case v.arg == "":
			out = append(out, fmt.Sprintf("ARG %s=\"%s\"", v.name, v.value))
		case v.arg == v.name:
			out = append(out, "ARG "+v.name)
		default:
			out = append(out, "ARG "+v.arg, fmt.Sprintf("ARG %s=$%s", v.name, v.arg))
		}
	}
	for _, v := range gv.commands {
		if v.arg == "" {
			out = append(out, "RUN "+v.value)
			continue
		}
		for _, s := range v.values {
			out = append(out, "# "+s)
		}
		out = append(out, "ARG "+v.arg, fmt.Sprintf("RUN eval \"$%s\"", v.arg))
	}
	return out
}

// isGolang reports whether an image is the official one of Go, or a copy under its name.
func isGolang(ref string) bool {
	ref, _, _ = strings.Cut(ref, "@")
	name := ref[strings.LastIndex(ref, "/")+1:]
	repo, _, _ := strings.Cut(name, ":")
	return repo == "golang"
}
