package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// analysis is what the steps of one group do, on one platform.
type analysis struct {
	problems      []Problem
	compiles      bool
	stageCompiles map[int]bool
	// sensitive is the first RUN of each stage whose result depends on GOOS and GOARCH.
	sensitive map[int]*Run
	// compile are all RUNs of each stage that call go build.
	compile map[int][]*Run
	files   map[int]*files
	vouched map[int]Vouch
}

func analyse(grp *Group, g *Graph, in CrossInput) *analysis {
	a := &analysis{stageCompiles: map[int]bool{}, sensitive: map[int]*Run{}, compile: map[int][]*Run{}, files: map[int]*files{}, vouched: in.Vouched}
	for _, i := range grp.Stages {
		if g.Reached[i] {
			a.stage(grp, g.Nodes[i], in)
		}
	}
	return a
}

func (a *analysis) add(n *Node, line int, p *Problem) {
	p.Line, p.Stage = line, n.Title()
	a.problems = append(a.problems, *p)
}

func (a *analysis) stage(grp *Group, n *Node, in CrossInput) {
	fs := newFiles()
	if n.Base != nil && a.files[n.Base.Index] != nil {
		fs = a.files[n.Base.Index].clone()
	}
	a.files[n.Index] = fs
	a.inputs(grp, n, in)
	// Copies and runs in the order of the file, so that a run knows what was built before it.
	copies := slices.Clone(n.Copies)
	for _, r := range n.Runs {
		for len(copies) > 0 && copies[0].Line <= r.Line {
			fs.copied(copies[0])
			copies = copies[1:]
		}
		a.run(n, r, fs)
	}
	for _, c := range copies {
		fs.copied(c)
	}
	if a.vouched[n.Index] == VouchNative {
		fs.products = nil // what it built is for the machine that runs it
	}
}

// inputs refuses files that may be programs for the target: what runs in the stage would find them instead of its own.
func (a *analysis) inputs(grp *Group, n *Node, in CrossInput) {
	for _, d := range n.Deps {
		switch {
		case d.Node != nil && in.Vouched[d.Node.Index] == VouchNative:
		case d.Node != nil && in.Vouched[d.Node.Index] == VouchFork:
			a.add(n, d.Line, &Problem{Code: "foreign-input",
				Reason: fmt.Sprintf("takes files from %s, which makes them for the target platform", d.Node.Title())})
		case d.Node != nil && slices.Contains(grp.Stages, d.Node.Index):
		case d.Node != nil:
			if d.Node.Platform != in.Build || d.Node.Root().Image == "scratch" && len(d.Node.Runs) > 0 {
				a.add(n, d.Line, &Problem{Code: "foreign-input",
					Reason: fmt.Sprintf("takes files from %s, which is made for the target platform", d.Node.Title())})
			}
		case d.Image != "":
			a.add(n, d.Line, &Problem{Code: "foreign-input", Reason: fmt.Sprintf("takes files from the image %s, which is the target platform's", d.Image)})
		case !path.IsAbs(in.context(n, d.Context)):
			a.add(n, d.Line, &Problem{Code: "foreign-input", Reason: fmt.Sprintf("takes files from the named context %s, which may differ by platform", d.Context)})
		}
	}
	for _, c := range n.Copies {
		if c.Remote {
			a.add(n, c.Line, &Problem{Code: "download", Reason: "ADD downloads files that may be made for one architecture"})
		}
	}
}

func (in CrossInput) context(n *Node, name string) string {
	for _, g := range in.Graphs {
		if v, ok := g.Contexts[name]; ok {
			return v
		}
	}
	return ""
}

func (a *analysis) run(n *Node, r *Run, fs *files) {
	s := parseScript(r, n.Shell, n.envKnown)
	if s.Opaque != "" {
		a.add(n, r.Line, &Problem{Code: "opaque-run", Reason: s.Opaque})
		return
	}
	workdir := r.Workdir
	for _, c := range s.Calls {
		for _, w := range c.Writes {
			fs.write(join(workdir, w.Text), w.Dyn)
		}
		name, system := commandName(c.Args[0].Text)
		switch {
		case name == "cd" && len(c.Args) > 1 && !c.Args[1].Dyn && !c.Nested:
			workdir = join(workdir, c.Args[1].Text)
		case name == "cd" && len(c.Args) > 1 && !c.Nested:
			a.add(n, r.Line, &Problem{Code: "dynamic-command", Reason: "cd goes to a folder that is not known before it runs"})
		case name == "env" && len(c.Args) > 1:
			a.call(n, r, fs, unwrapEnv(c), workdir)
		case name == "go" && system && !runsProduct(c.Args[0].Text, fs.products):
			a.goCall(n, r, fs, c, workdir)
		default:
			a.call(n, r, fs, c, workdir)
		}
	}
}

// unwrapEnv turns `env A=b cmd` into cmd with A in its environment.
func unwrapEnv(c call) call {
	out := call{Env: map[string]word{}, Nested: c.Nested}
	for k, v := range c.Env {
		out.Env[k] = v
	}
	for i, w := range c.Args[1:] {
		k, v, ok := strings.Cut(w.Text, "=")
		if !ok || strings.HasPrefix(w.Text, "-") {
			out.Args = c.Args[1+i:]
			break
		}
		out.Env[k] = word{Text: v, Dyn: w.Dyn}
	}
	return out
}

func (a *analysis) call(n *Node, r *Run, fs *files, c call, workdir string) {
	if len(c.Args) == 0 {
		return
	}
	if name, system := commandName(c.Args[0].Text); name == "go" && system {
		a.goCall(n, r, fs, c, workdir)
		return
	}
	if p := plainCommand(c, fs.products); p != nil {
		a.add(n, r.Line, p)
		return
	}
	fs.command(c, workdir)
}

func (a *analysis) goCall(n *Node, r *Run, fs *files, c call, workdir string) {
	v := judgeGo(c, workdir, n)
	if v.problem != nil {
		a.add(n, r.Line, v.problem)
		if v.problem.Code == "final-stage" {
			return
		}
	}
	if isBuild(c) {
		a.compiles, a.stageCompiles[n.Index] = true, true
		if !slices.Contains(a.compile[n.Index], r) {
			a.compile[n.Index] = append(a.compile[n.Index], r)
		}
	}
	if len(v.products) > 0 && v.cgo == "" && !noCompiler(n.Root().Image) {
		a.add(n, r.Line, &Problem{Code: "cgo-possible",
			Reason: fmt.Sprintf("%s may have a C compiler, so cgo may be on; CGO_ENABLED=0 would make sure that it is not", n.Root().Image)})
	}
	if v.sensitive && a.sensitive[n.Index] == nil {
		a.sensitive[n.Index] = r
		if r.Line <= n.Line {
			a.add(n, r.Line, &Problem{Code: "onbuild", Reason: "go build is called by an ONBUILD instruction of the base"})
		}
	}
	fs.products = append(fs.products, v.products...)
}

func isBuild(c call) bool {
	return len(c.Args) > 1 && slices.Contains([]string{"build", "install", "test", "run"}, c.Args[1].Text)
}

// noCompiler reports whether an image is known to bring no C compiler: Go turns cgo off there by itself.
func noCompiler(ref string) bool {
	ref, _, _ = strings.Cut(ref, "@")
	name := ref[strings.LastIndex(ref, "/")+1:]
	repo, tag, _ := strings.Cut(name, ":")
	return repo == "golang" && strings.Contains(tag, "alpine")
}
