package dockerfile

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// analysis is what the steps of one group do, on one platform.
type analysis struct {
	grp *Group
	g   *Graph
	in  CrossInput
	// given are the values that pinning adds.
	given map[string]string

	problems      []Problem
	compiles      bool
	stageCompiles map[int]bool
	// sensitive is the first RUN of each stage whose result depends on GOOS and GOARCH.
	sensitive map[int]*Run
	// checks are the stages that only look at sources, with go vet.
	checks map[int]bool
	// compile are all RUNs of each stage that compile.
	compile map[int][]*Run
	// installs is the first RUN of each stage that calls go install, with the folder that it writes to.
	installs map[int]install
	files    map[int]*files
	vouched  map[int]Vouch

	// checked says that a wrapper of go tells the product from tools while the steps run, so that hidden commands are no problem
	// and nothing is given by the environment of a whole step; see [Group.Checked].
	checked bool
	// hidden are the first RUNs of stages that run hidden commands, goRuns those of each stage that may call go.
	hidden map[int]*Run
	goRuns map[int][]*Run
}

type install struct {
	run *Run
	bin string
}

func analyse(grp *Group, g *Graph, in CrossInput) *analysis {
	a := newAnalysis(grp, g, in)
	a.given = goGiven(in.Graphs, g)
	return a.all()
}

func newAnalysis(grp *Group, g *Graph, in CrossInput) *analysis {
	return &analysis{grp: grp, g: g, in: in, hidden: map[int]*Run{}, goRuns: map[int][]*Run{}, stageCompiles: map[int]bool{}, sensitive: map[int]*Run{},
		checks: map[int]bool{}, compile: map[int][]*Run{}, installs: map[int]install{}, files: map[int]*files{}, vouched: in.Vouched}
}

func (a *analysis) all() *analysis {
	grp, g := a.grp, a.g
	for _, i := range grp.Stages {
		if g.Reached[i] {
			a.stage(g.Nodes[i])
		}
	}
	return a
}

func (a *analysis) add(n *Node, line int, p *Problem) {
	if p != nil {
		p.Line, p.Stage = line, n.Title()
		a.problems = append(a.problems, *p)
	}
}

func (a *analysis) stage(n *Node) {
	fs := newFiles(!slices.Contains(knownImages, official(n.Root().Image)))
	if n.Base != nil && a.files[n.Base.Index] != nil {
		fs = a.files[n.Base.Index].clone()
	}
	a.files[n.Index] = fs
	// Copies and runs in the order of the file, so that a run knows what was built before it.
	copies := slices.Clone(n.Copies)
	for _, r := range n.Runs {
		for len(copies) > 0 && copies[0].Line <= r.Line {
			a.copied(n, copies[0], fs)
			copies = copies[1:]
		}
		a.run(n, r, fs)
	}
	for _, c := range copies {
		a.copied(n, c, fs)
	}
	if a.vouched[n.Index] == VouchNative {
		fs.products = nil // what it built is for the machine that runs it
	}
	for _, m := range n.mentions {
		if a.active(n, m.line) {
			a.add(n, m.line, &Problem{Code: "target-name-used", Reason: fmt.Sprintf("uses %s, which is empty here but not once the stage is pinned", m.name)})
		}
	}
}

// active reports whether the variables that pinning adds are set in a line of the stage.
func (a *analysis) active(n *Node, line int) bool {
	r := a.sensitive[n.Index]
	return r != nil && line >= r.Line || a.inherits(n)
}

// inherits reports whether a base of the stage is given the compiler's target.
func (a *analysis) inherits(n *Node) bool {
	for b := n.Base; b != nil; b = b.Base {
		if a.sensitive[b.Index] != nil {
			return true
		}
	}
	return false
}

// copied follows a COPY or ADD. What comes from outside the group is the same whether the group is pinned or not, but it may be
// programs for the target: in a place where commands are looked up the stage would find them instead of its own.
func (a *analysis) copied(n *Node, c Copy, fs *files) {
	foreign := false
	switch {
	case c.Remote:
		a.add(n, c.Line, &Problem{Code: "download", Reason: "ADD downloads files that may be made for one architecture"})
	case c.From != nil && a.vouched[c.From.Index] != "":
		a.input(n, c.From, "", c.Dest, c.Line)
	case c.From != nil && slices.Contains(a.grp.Stages, c.From.Index):
		for _, s := range c.Sources {
			code, _ := a.files[c.From.Index].take(s)
			foreign = foreign || code != ""
		}
	default:
		a.input(n, c.From, c.Image, c.Dest, c.Line)
	}
	if c.From == nil && c.Image != "" || c.From != nil && !slices.Contains(a.grp.Stages, c.From.Index) {
		fs.bring(c.From, c.Dest, c.Sources)
	}
	fs.write(c.Dest, false, foreign)
	named := func(s string) bool { return path.Base(s) == "go" }
	if lookedUp(n, c.Dest) && slices.ContainsFunc(c.Sources, named) || named(c.Dest) && lookedUp(n, path.Dir(c.Dest)) {
		a.add(n, c.Line, &Problem{Code: "toolchain-changed", Reason: fmt.Sprintf("copies a command named go to %s", c.Dest)})
	}
}

// input judges what a stage gets from outside the group.
func (a *analysis) input(n, from *Node, image, dest string, line int) {
	fork := from != nil && a.vouched[from.Index] == VouchFork
	switch {
	case fork:
		a.add(n, line, &Problem{Code: "foreign-input", Reason: fmt.Sprintf("takes files from %s, which makes them for the target platform", from.Title())})
	case !commandPlace(n, dest) || from != nil && a.vouched[from.Index] == VouchNative:
	case from != nil:
		if from.Platform != a.in.Build || from.Root().Image == "scratch" && len(from.Runs) > 0 {
			a.add(n, line, &Problem{Code: "foreign-input",
				Reason: fmt.Sprintf("takes files from %s, which is made for the target platform, into %s", from.Title(), dest)})
		}
	case image != "" && path.IsAbs(a.g.Contexts[image]):
	case image != "":
		a.add(n, line, &Problem{Code: "foreign-input", Reason: fmt.Sprintf("takes files from %s, which may be the target platform's, into %s", image, dest)})
	}
}

// commandPlace reports whether what runs in the stage looks into p for commands or what they need.
func commandPlace(n *Node, p string) bool {
	if p == "/" || provided(p) || slices.Contains([]string{"/usr", "/usr/local", "/var", "/go", "/go/bin", "/root"}, p) || slices.Contains(commandDirs, p) {
		return true
	}
	v, _ := n.Env.Get("PATH")
	return slices.ContainsFunc(strings.Split(v, ":"), func(dir string) bool { return path.IsAbs(dir) && (within(p, dir) || within(dir, p)) })
}

// lookedUp reports whether commands are looked up in dir.
func lookedUp(n *Node, dir string) bool {
	v, _ := n.Env.Get("PATH")
	return onPath(dir) || slices.Contains(strings.Split(v, ":"), dir)
}

// environment is what pinning sets for a RUN, or why the file's own values stand against it.
func (a *analysis) environment(r *Run) map[string]string {
	env := map[string]string{}
	maps.Copy(env, a.given)
	if v, _ := r.Env.Get("CGO_ENABLED"); v == "" && !a.checked {
		env["CGO_ENABLED"] = "0"
	}
	for k, v := range a.automatic() {
		if _, ok := r.Env.Get(k); !ok {
			env[k] = v
		}
	}
	return env
}

func (a *analysis) automatic() map[string]string {
	t := a.g.Target
	return map[string]string{"TARGETOS": t.OS, "TARGETARCH": t.Arch, "TARGETVARIANT": t.Variant}
}

// overridden says which argument of the build would reach the lines that pinning adds and change them, or "".
func (a *analysis) overridden(r *Run) *Problem {
	want := a.automatic()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		v, ok := r.Env.Get(k)
		if !ok {
			v, _ = a.g.automatic.Get(k)
		}
		if v != want[k] {
			return &Problem{Code: "target-changed", Reason: fmt.Sprintf("%s is set to %q by the Dockerfile or an argument", k, v)}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(a.environment(r))) {
		if v, ok := a.g.args[k]; ok && v != a.environment(r)[k] && want[k] == "" {
			return &Problem{Code: "target-already-set", Reason: fmt.Sprintf("the argument %s=%s chooses the target", k, v)}
		}
	}
	return nil
}

func (a *analysis) run(n *Node, r *Run, fs *files) {
	s := parseScript(scriptInput{Run: r, Shell: n.Shell, Known: n.envKnown || official(n.Root().Image) == "golang", Given: a.environment(r)})
	if s.Opaque != "" {
		a.add(n, r.Line, &Problem{Code: "opaque-run", Reason: s.Opaque})
		return
	}
	a.mounts(n, r, fs)
	tainted := false
	for _, c := range s.Calls {
		if name, _ := commandName(c.Args[0].Text); name == "env" && len(c.Args) > 1 {
			c = unwrapEnv(c)
		}
		a.call(n, r, fs, c, tainted)
		tainted = tainted || c.Read && fs.readsForeign(c)
	}
	for _, m := range r.Mounts { // what is written there stays in no layer
		fs.hide(mountPoint(m, r))
	}
	if !a.active(n, r.Line) {
		return
	}
	a.add(n, r.Line, a.overridden(r))
	for _, k := range slices.Sorted(maps.Keys(s.Names)) {
		if _, ok := r.Env.Get(k); !ok && (a.environment(r)[k] != "" || k == "TARGETVARIANT") {
			a.add(n, r.Line, &Problem{Code: "target-name-used", Reason: fmt.Sprintf("uses %s, which is empty here but not once the stage is pinned", k)})
		}
	}
}

func mountPoint(m Mount, r *Run) string { return join(r.Workdir, m.Target) }

// mounts notes what a RUN finds at its mounts.
func (a *analysis) mounts(n *Node, r *Run, fs *files) {
	for _, m := range r.Mounts {
		at := mountPoint(m, r)
		switch {
		case m.Type == "cache": // what an earlier build left there
			fs.write(at, false, true)
		case m.Type != "bind":
		case m.Dep == nil:
			fs.write(at, false, false)
		default:
			inside := m.Dep.Node != nil && slices.Contains(a.grp.Stages, m.Dep.Node.Index) && a.vouched[m.Dep.Node.Index] == ""
			if !inside {
				a.input(n, m.Dep.Node, m.Dep.Image+m.Dep.Context, at, r.Line)
				fs.bring(m.Dep.Node, at, nil)
			}
			fs.write(at, false, inside)
		}
	}
}

// unwrapEnv turns `env A=b cmd` into cmd with A in its environment.
func unwrapEnv(c call) call {
	out := c
	out.Env = maps.Clone(c.Env)
	out.Args = nil
	for i, w := range c.Args[1:] {
		k, v, ok := strings.Cut(w.Text, "=")
		if !ok || strings.HasPrefix(w.Text, "-") {
			out.Args = c.Args[1+i:]
			break
		}
		out.Env[k] = word{Text: v, Dyn: w.Dyn, Splits: w.Splits}
	}
	if len(out.Args) == 0 {
		out.Args = c.Args
	}
	return out
}

func (a *analysis) call(n *Node, r *Run, fs *files, c call, tainted bool) {
	name, system := commandName(c.Args[0].Text)
	switch {
	case c.Args[0].Dyn || !system || runsProduct(c.Args[0].Text, fs.products):
	case name == "go":
		a.goCall(n, r, fs, c)
		for _, w := range c.Writes {
			fs.write(join(c.Dir.Text, w.Text), w.Dyn || c.Dir.Dyn, false)
		}
		return
	case slices.Contains(packageManagers, name):
		got := judgePackages(name, c)
		a.add(n, r.Line, got.problem)
		if fs.compiler == "" {
			fs.compiler = got.compiler
		}
		return
	}
	if p := plainCommand(c, fs.products); p != nil {
		if a.checked && (p.Hidden || p.Code == "unknown-command" && slices.Contains(fs.tools, c.Args[0].Text)) {
			a.hide(n, r, c, fs)
			return
		}
		a.add(n, r.Line, p)
		return
	}
	fs.command(c, tainted)
}

func (a *analysis) goCall(n *Node, r *Run, fs *files, c call) {
	if a.checked {
		if a.goRuns[n.Index] = append(a.goRuns[n.Index], r); a.tool(c, fs) {
			return
		}
		if p := a.ownTarget(c); p != nil {
			a.add(n, r.Line, p)
			return
		}
	}
	windows := slices.ContainsFunc(a.in.Graphs, func(g *Graph) bool { return g.Target.OS == "windows" })
	v := judgeGo(c, goContext{node: n, files: fs, windows: windows})
	if isBuild(c) {
		a.compiles, a.stageCompiles[n.Index] = true, true
		if !slices.Contains(a.compile[n.Index], r) {
			a.compile[n.Index] = append(a.compile[n.Index], r)
		}
	}
	if v.problem == nil && forBrowser(c) { // the same whatever the target
		for _, p := range v.products {
			fs.write(p.Path, false, p.Dir && fs.image(p.Path))
		}
		return
	}
	if v.sensitive || isBuild(c) {
		if p := goEnvironment(c, r.Env, a.given); p != nil {
			a.add(n, r.Line, p)
			return
		}
	}
	if v.problem != nil {
		if a.checked && v.problem.Hidden {
			a.hide(n, r, c, fs)
			return
		}
		a.add(n, r.Line, v.problem)
		return
	}
	if v.compiles {
		if image := official(n.Root().Image); slices.Contains(knownImages, image) && image != "golang" {
			a.add(n, r.Line, &Problem{Code: "toolchain-unknown", Reason: fmt.Sprintf("Go does not come with %s, so it is not known for which machine it is", n.Root().Image)})
		}
		a.add(n, r.Line, a.cgoOff(c, n, fs))
		if w := fs.embeddable(c.Dir.Text); w != "" {
			a.add(n, r.Line, &Problem{Code: "foreign-input", Reason: fmt.Sprintf("%s is a file of the build platform, which a program may have in it", w)})
		}
	}
	if v.sensitive {
		a.checks[n.Index] = c.Args[1].Text == "vet" && (a.checks[n.Index] || a.sensitive[n.Index] == nil)
	}
	if v.sensitive && a.sensitive[n.Index] == nil {
		a.sensitive[n.Index] = r
		if r.Line <= n.Line {
			a.add(n, r.Line, &Problem{Code: "onbuild", Reason: "go " + c.Args[1].Text + " is called by an ONBUILD instruction of the base"})
		}
	}
	if _, ok := a.installs[n.Index]; !ok && v.bin != "" {
		a.installs[n.Index] = install{r, v.bin}
		fs.write(v.bin+"/"+a.given["GOOS"]+"_"+a.given["GOARCH"], false, true) // the link that pinning adds
	}
	fs.products = append(fs.products, v.products...)
}

// forBrowser reports whether the command itself chooses WebAssembly, which is no target platform.
func forBrowser(c call) bool {
	os, arch := c.Env["GOOS"], c.Env["GOARCH"]
	return (os.Text == "js" || os.Text == "wasip1") && arch.Text == "wasm" && !os.Dyn && !arch.Dyn
}

// cgoOff refuses a go build that may compile C code when it is not told otherwise.
func (a *analysis) cgoOff(c call, n *Node, fs *files) *Problem {
	if v := c.Env["CGO_ENABLED"]; v.Text == "0" && !v.Given {
		return nil
	}
	if by := cmp.Or(fs.compiler, n.Root().Image); a.in.UsesC != "" && n.sent() && (fs.compiler != "" || !noCompiler(n.Root().Image)) {
		return &Problem{Code: "cgo-used", Reason: fmt.Sprintf("%s imports \"C\", and %s may bring a C compiler for it", a.in.UsesC, by)}
	}
	if fs.compiler != "" {
		return &Problem{Code: "package-installed",
			Reason: fmt.Sprintf("the package %s may bring a C compiler, so cgo may be on; CGO_ENABLED=0 would make sure that it is not", fs.compiler)}
	}
	if image := n.Root().Image; !noCompiler(image) {
		return &Problem{Code: "cgo-possible", Reason: fmt.Sprintf("%s may have a C compiler, so cgo may be on; CGO_ENABLED=0 would make sure that it is not", image)}
	}
	return nil
}

func isBuild(c call) bool {
	return len(c.Args) > 1 && slices.Contains([]string{"build", "install", "test", "run"}, c.Args[1].Text)
}
