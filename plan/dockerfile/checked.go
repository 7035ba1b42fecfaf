package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A build that hides behind make or a script cannot be proven from the text. A wrapper of the go command, mounted for its steps,
// can still tell the product from tools by the arguments of each call, and the files that come out tell whether that was right.
// This file judges when that is worth trying: when nothing but hidden commands stands against the group, and when a wrong
// guess would show in the machine of a file.

// wrapperArg is how the wrapper is told the target: os/arch/variant.
const wrapperArg = "XBUILD_GO"

// judgeChecked sets Checked. Where hidden commands are not all that stands in the way, the rest comes first among the problems,
// as the author can do something about it.
func (grp *Group) judgeChecked(in CrossInput) {
	if root := in.Graphs[0].Nodes[grp.Root]; official(root.Image) != "golang" { // it is not known to have Go, nor where
		return
	}
	if !in.Files || grp.vouched(in) || !slices.ContainsFunc(grp.Problems, func(p Problem) bool { return p.Hidden }) {
		return
	}
	done := map[*Graph]*analysis{}
	var problems []Problem
	for _, g := range in.Graphs {
		if !g.Reached[grp.Root] {
			continue
		}
		a := newAnalysis(grp, g, in)
		a.checked = true
		done[g] = a.all()
		found := slices.Concat(a.place(grp, g, in), a.problems)
		if len(found) == 0 {
			found = a.users(grp, g)
		}
		problems = appendNew(problems, found...)
	}
	if len(problems) == 0 {
		grp.Checked, grp.done = true, done
		return
	}
	grp.Problems = appendNew(problems, grp.Problems...)
}

// appendNew appends those problems that are not in the list.
func appendNew(list []Problem, more ...Problem) []Problem {
	for _, p := range more {
		if !slices.ContainsFunc(list, func(q Problem) bool { return q.Code == p.Code && q.Line == p.Line }) {
			list = append(list, p)
		}
	}
	return list
}

// hide notes that a RUN runs commands that are not known.
func (a *analysis) hide(n *Node, r *Run, c call, fs *files) {
	fs.hidden = true
	a.compiles, a.stageCompiles[n.Index] = true, true
	if !slices.Contains(a.compile[n.Index], r) {
		a.compile[n.Index] = append(a.compile[n.Index], r)
	}
	a.goRuns[n.Index] = append(a.goRuns[n.Index], r)
	if a.hidden[n.Index] == nil {
		a.hidden[n.Index] = r
	}
	if a.sensitive[n.Index] == nil {
		a.sensitive[n.Index] = r
	}
	if r.Line <= n.Line {
		a.add(n, r.Line, &Problem{Code: "onbuild", Reason: "an ONBUILD instruction of the base runs commands that are not known"})
	}
	switch {
	case !n.sent() || fs.brought || fs.runsOutside(c):
		a.add(n, r.Line, &Problem{Code: "files-unknown", Reason: "hidden commands may come from files that are not in the context, and were not looked at"})
	case a.in.Probe != "":
		a.add(n, r.Line, &Problem{Code: "arch-probe", Reason: a.in.Probe + ", which answers for the machine that it runs on"})
	}
	a.add(n, r.Line, a.ownTarget(c))
	a.add(n, r.Line, goEnvironment(c, r.Env, nil))
	a.add(n, r.Line, goFlagsVariable(c))
	if v := c.Env["CGO_ENABLED"]; v.Dyn || v.Text != "" && v.Text != "0" {
		a.add(n, r.Line, &Problem{Code: "cgo-enabled", Reason: "CGO_ENABLED=" + strings.ReplaceAll(v.Text, "\x00", "...") + " needs a C compiler for the target"})
		return
	}
	a.add(n, r.Line, a.cgoOff(c, n, fs))
}

// tool reports whether a call of go installs a tool, which the wrapper makes for the machine, and notes its name.
func (a *analysis) tool(c call, fs *files) bool {
	_, args, ok := goFolder(c)
	if !ok || len(args) == 0 || args[0].Text != "install" {
		return false
	}
	var packages []word
	for _, w := range args[1:] {
		if !w.Dyn && !strings.HasPrefix(w.Text, "-") && strings.Contains(w.Text, "@") {
			packages = append(packages, w)
		}
	}
	if len(packages) == 0 {
		return false
	}
	if names, ok := programs(packages); ok {
		fs.tools = append(fs.tools, names...)
	}
	fs.write("/go/bin", false, true)
	return true
}

// ownTarget refuses a call that chooses another target than that of the build. The wrapper would not touch it.
func (a *analysis) ownTarget(c call) *Problem {
	want := goGiven(a.in.Graphs, a.g)
	for _, k := range goTargetNames[:2] {
		if v := c.Env[k]; (v.Text != "" || v.Dyn) && v.Text != want[k] && !forBrowser(c) {
			return &Problem{Code: "target-already-set", Reason: k + " is set, so the Dockerfile chooses the target itself"}
		}
	}
	return nil
}

// takeChecked is take for a stage whose files are looked at when they are there: a program tells its machine, but not a text or
// a folder of the image.
func (f *files) takeChecked(source string) (code, reason string) {
	if code, reason = f.take(source); code == "" || !f.hidden {
		return code, reason
	}
	p := path.Clean("/" + source)
	if i := strings.IndexAny(p, "*?["); i >= 0 {
		p = path.Dir(p[:i] + "x")
	} else if slices.Contains(binDirs, path.Dir(p)) && !f.overlapsForeign(p) {
		return "", ""
	}
	switch {
	case f.overlapsForeign(p) || f.unknown:
		return "foreign-file", fmt.Sprintf("%s may hold what belongs to the build platform", source)
	case slices.Contains(imageDirs, p) && p != "/go/bin" || provided(p) || slices.ContainsFunc(imageTrees, func(t string) bool { return within(t, p) }):
		return "copies-tree", fmt.Sprintf("%s holds files of the image, of which not all tell their machine", source)
	}
	return "", ""
}

// binDirs are where images have programs, and build files install theirs.
var binDirs = strings.Fields("/bin /sbin /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin /go/bin")

// wrapLines are what stands before the first RUN of a checked stage that needs its target.
func wrapLines(r *Run) []string {
	var out []string
	if line := r.declare(goArgs{}.usesOrTarget); line != "" {
		out = append(out, line)
	}
	return append(out, "ARG "+wrapperArg+"=$TARGETOS/$TARGETARCH/$TARGETVARIANT")
}

// wrap adds the lines of the RUNs of the group for which the wrapper is mounted.
func (grp Group) wrap(g *Graph, a *analysis, lines map[int]bool) {
	for _, i := range grp.Stages {
		n := g.Nodes[i]
		if !g.Reached[i] {
			continue
		}
		for _, r := range a.goRuns[i] {
			if a.active(n, r.Line) && r.Line > n.Line {
				lines[r.Line] = true
			}
		}
	}
}
