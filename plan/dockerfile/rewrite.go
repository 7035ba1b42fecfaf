package dockerfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/schema"
)

// Rewrite is an edited Dockerfile.
type Rewrite struct {
	Text string
	// Built is Text with the recipe's cache mounts, line for line the same otherwise. They are for speed only, so they are no part
	// of what a user is shown as the change.
	Built string
	// Caches says for each stage which cache its compile steps were given.
	Caches map[int]string
	// Lines maps each line of Text (index 0 is line 1) to the line of the user's file that it stands for.
	Lines []int
	// Wrapped are the lines of Text of those RUN instructions for which the wrapper of the go command is mounted.
	Wrapped []int
	// Args are build arguments that the text needs, by platform.
	Args map[schema.Platform]map[string]string
}

// Cross pins the groups to the build platform and hands the compiler its target. Every group must be sound. Lines are
// inserted, and one flag is; nothing else moves. scope names the compile cache that the stages share, "" for none.
func (f *File) Cross(in CrossInput, groups []Group, scope string) Rewrite {
	pin := map[int]bool{}
	before := map[int][]string{}
	mounts, caches := map[int]string{}, map[int]string{}
	wrapped := map[int]bool{}
	given := f.give(in)
	for _, grp := range groups {
		pin[f.Stages[grp.Root].Line] = true
		for _, g := range in.Graphs {
			if g.Reached[grp.Root] {
				a := grp.done[g]
				if a == nil {
					a = analyse(&grp, g, in)
				}
				grp.insert(g, a, before, newGoArgs(in.Graphs), given)
				if grp.Checked {
					grp.wrap(g, a, wrapped)
				}
				if scope != "" {
					grp.addCaches(g, a, scope, mounts, caches)
				}
			}
		}
	}
	rw := edit(string(f.Text), pin, before, nil)
	rw.Built = edit(string(f.Text), pin, before, mounts).Text
	rw.Caches, rw.Args = caches, given.args
	for i, line := range rw.Lines {
		if wrapped[line] && (i+1 == len(rw.Lines) || rw.Lines[i+1] != line) { // what is inserted stands before
			rw.Wrapped = append(rw.Wrapped, i+1)
		}
	}
	return rw
}

// insert adds the argument lines of each stage of the group that compiles, before its first step that needs them.
func (grp Group) insert(g *Graph, a *analysis, before map[int][]string, args goArgs, given *given) {
	for _, i := range grp.Stages {
		n := g.Nodes[i]
		if a.checks[i] && !g.used(n) {
			continue // go vet in a stage that nothing needs tells the same on any machine
		}
		if r := a.first(n, given); r != nil && before[r.Line] == nil && !a.isGiven(n, given) {
			before[r.Line] = a.lines(n, r, args, given)
		}
		if in, ok := a.installs[i]; ok && a.vouched[i] == "" && !a.checked {
			link := fmt.Sprintf("RUN mkdir -p %s && ln -sfn . %s/${GOOS}_${GOARCH}", in.bin, in.bin)
			if !slices.Contains(before[in.run.Line], link) {
				before[in.run.Line] = append(before[in.run.Line], link)
			}
		}
	}
}

// isGiven reports whether a base of the stage is given all that the stage needs: arguments reach the stages that are FROM it.
func (a *analysis) isGiven(n *Node, given *given) bool {
	for b := n.Base; b != nil; b = b.Base {
		own := a.vouched[n.Index] == VouchFork && a.vouched[b.Index] != VouchFork // a recipe gives less
		if a.first(b, given) != nil && !own {
			return true
		}
	}
	return false
}

// lines are what tells the compilers of a stage their target.
func (a *analysis) lines(n *Node, r *Run, args goArgs, given *given) []string {
	if a.vouched[n.Index] == VouchFork {
		return given.lines(n, r, a, args)
	}
	if a.checked {
		return wrapLines(r)
	}
	var lines []string
	if line := r.declare(args.uses); line != "" {
		lines = append(lines, line)
	}
	if v, ok := r.Env.Get("CGO_ENABLED"); !ok || v != "0" {
		return append(lines, args.lines(" CGO_ENABLED=0")...)
	}
	return append(lines, args.lines("")...)
}

// used reports whether another stage, or the result, stands on n.
func (g *Graph) used(n *Node) bool {
	return g.Result == n || slices.ContainsFunc(g.Nodes, func(o *Node) bool {
		return o.Base == n || slices.ContainsFunc(o.Deps, func(d Dep) bool { return d.Node == n })
	})
}

// declare is the line that declares those target arguments which are needed and not there yet, "" if there are none.
func (r *Run) declare(needed func(string) bool) string {
	var names []string
	for _, k := range targetNames {
		if _, ok := r.Env.Get(k); !ok && needed(k) {
			names = append(names, k)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "ARG " + strings.Join(names, " ")
}

// edit inserts lines before lines, the pinning flag into FROM lines, and mounts into RUN lines.
func edit(text string, pin map[int]bool, before map[int][]string, mounts map[int]string) Rewrite {
	var b strings.Builder
	var rw Rewrite
	end := "\n"
	for i, line := range strings.SplitAfter(text, "\n") {
		n := i + 1
		switch { // a last line without an end takes that of the line before
		case strings.HasSuffix(line, "\r\n"):
			end = "\r\n"
		case strings.HasSuffix(line, "\n"):
			end = "\n"
		}
		for _, l := range before[n] {
			b.WriteString(l + end)
			rw.Lines = append(rw.Lines, n)
		}
		if pin[n] {
			k := strings.Index(strings.ToUpper(line), "FROM") + len("FROM")
			line = line[:k] + " --platform=$BUILDPLATFORM" + line[k:]
		}
		if m := mounts[n]; m != "" {
			k := strings.Index(strings.ToUpper(line), "RUN") + len("RUN")
			line = line[:k] + " " + m + line[k:]
		}
		b.WriteString(line)
		rw.Lines = append(rw.Lines, n)
	}
	rw.Text = b.String()
	return rw
}
