package dockerfile

import (
	"path"
	"slices"
	"strings"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/schema"
)

// goCall is a go command and what it means for cross-compilation.
type goCall struct {
	problem *Problem
	// sensitive says that the result depends on GOOS and GOARCH, so that they must be set before it.
	sensitive bool
	// compiles says that C code may be compiled, where cgo is on.
	compiles bool
	products []product
	// bin is the folder that go install writes to.
	bin string
}

func bad(code, reason string) goCall { return goCall{problem: &Problem{Code: code, Reason: reason}} }

// hidden is bad for a call that may run any commands of Go's.
func hidden(code, reason string) goCall {
	g := bad(code, reason)
	g.problem.Hidden = true
	return g
}

// goContext is what the judgement of a go command needs besides the command.
type goContext struct {
	node    *Node
	files   *files
	windows bool // some target is windows, where a program's name ends in .exe
}

// judgeGo decides about one call of the go command.
func judgeGo(c call, in goContext) goCall {
	workdir, args, ok := goFolder(c)
	if len(args) == 0 {
		return goCall{}
	}
	if args[0].Dyn {
		return bad("dynamic-command", "the go subcommand is not known before it runs")
	}
	sub := args[0].Text
	switch sub {
	case "build", "vet", "install", "test":
		if !ok || c.Dir.Dyn {
			return bad("dynamic-command", "the folder of go "+sub+" is not known before it runs")
		}
		if p := goFlagsVariable(c); p != nil {
			return goCall{problem: p}
		}
		return judgeBuild(c, sub, args[1:], workdir, in)
	case "version":
		if c.Read {
			return bad("arch-probe", "go version prints the machine it runs on")
		}
		return goCall{}
	case "mod", "work", "clean", "fmt", "doc", "help", "telemetry":
		return goCall{}
	case "get":
		if slices.ContainsFunc(args, func(w word) bool { return w.Text == "-d" }) || goSince(in.node.Root().Image, 18) {
			return goCall{}
		}
		return bad("go-get", "go get may install a program, depending on the version of Go")
	case "list":
		return goCall{sensitive: !slices.ContainsFunc(args, func(w word) bool { return w.Text == "-m" })}
	case "env":
		return judgeEnv(c, args[1:])
	case "run", "generate":
		reason := map[string]string{"run": "go run runs what it built", "generate": "go generate runs programs that are not in the Dockerfile"}[sub]
		return hidden("go-"+sub, reason)
	default:
		g := bad("go-tool", "go "+sub+" may depend on the machine")
		g.problem.Hidden = sub == "tool"
		return g
	}
}

// goFolder takes -C off the arguments.
func goFolder(c call) (workdir string, args []word, ok bool) {
	workdir, args, ok = c.Dir.Text, c.Args[1:], true
	for len(args) > 0 && strings.HasPrefix(args[0].Text, "-C") {
		dir := strings.TrimPrefix(strings.TrimPrefix(args[0].Text, "-C"), "=")
		ok = ok && !args[0].Dyn
		if dir == "" && len(args) > 1 {
			dir, args = args[1].Text, args[1:]
			ok = ok && !args[0].Dyn
		}
		workdir, args = join(workdir, dir), args[1:]
	}
	return workdir, args, ok
}

// goEnvironment refuses variables that choose another target than the one that pinning gives, or change the toolchain.
func goEnvironment(c call, file *vars, fine map[string]string) *Problem {
	own, _ := schema.Platform{Arch: fine["GOARCH"]}.GoLevel()
	for _, k := range goTargetNames {
		want, given := fine[k]
		if level := strings.HasPrefix(k, "GO") && k != "GOOS" && k != "GOARCH"; !given || level && k != own {
			continue // Go does not look at it, or it is the same whichever way it is built
		}
		if v, ok := file.Get(k); ok && v != "" && v != want {
			return &Problem{Code: "target-already-set", Reason: k + " is set, so the Dockerfile chooses the target itself"}
		}
		if v := c.Env[k]; v.Dyn || v.Text != want {
			return &Problem{Code: "target-already-set", Reason: k + " is set by the command, so the Dockerfile chooses the target itself"}
		}
	}
	for _, k := range []string{"GOEXPERIMENT", "GOROOT", "GOHOSTARCH", "GOHOSTOS", "GO_EXTLINK_ENABLED", "GOENV", "GOFIPS140"} {
		if v, ok := c.Env[k]; ok && (v.Text != "" || v.Dyn) && !(k == "GOROOT" && v.Text == "/usr/local/go") {
			return &Problem{Code: "toolchain-changed", Reason: k + " changes how the toolchain works"}
		}
	}
	return nil
}

// goFlagsVariable judges the flags in GOFLAGS like those of the command.
func goFlagsVariable(c call) *Problem {
	flags := c.Env["GOFLAGS"]
	if flags.Dyn {
		return &Problem{Code: "toolchain-changed", Reason: "GOFLAGS is not known before the command runs"}
	}
	for _, f := range strings.Fields(flags.Text) {
		if p := judgeFlag(word{Text: f}, word{}, c.Env["CGO_ENABLED"].Text); p != nil {
			p.Reason = "GOFLAGS: " + p.Reason
			return p
		}
		if strings.HasPrefix(strings.TrimPrefix(f, "-"), "-o") || strings.HasPrefix(f, "-o") {
			return &Problem{Code: "output-unknown", Reason: "GOFLAGS sets -o"}
		}
	}
	return nil
}

// Variables of go env that are the same on every machine, and those that are the target's once pinning has set them.
var (
	neutralGoEnv = strings.Fields("GOPATH GOMODCACHE GOCACHE GOBIN GOPROXY GOVERSION GOMOD GOWORK GOFLAGS GOPRIVATE GOROOT GOSUMDB GONOSUMDB GONOPROXY GO111MODULE")
	targetGoEnv  = strings.Fields("GOOS GOARCH GOEXE")
)

func judgeEnv(c call, args []word) goCall {
	out, named := goCall{}, false
	for i, a := range args {
		named = named || !strings.HasPrefix(a.Text, "-")
		switch {
		case a.Dyn:
			return bad("dynamic-command", "the arguments of go env are not known before it runs")
		case a.Text == "-w" || a.Text == "-u":
			for _, kv := range args[i+1:] {
				k, _, _ := strings.Cut(kv.Text, "=")
				if !slices.Contains([]string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE", "GO111MODULE"}, k) {
					return bad("toolchain-changed", "go env -w "+k+" changes how the toolchain works")
				}
			}
			return goCall{}
		case strings.HasPrefix(a.Text, "-") || !c.Read:
		case slices.Contains(targetGoEnv, a.Text):
			out.sensitive = true
		case !slices.Contains(neutralGoEnv, a.Text):
			return bad("arch-probe", "go env "+a.Text+" prints a value of the machine it runs on")
		}
	}
	if c.Read && !named {
		return bad("arch-probe", "go env prints values of the machine it runs on")
	}
	return out
}

// judgeBuild decides about build, vet, install and test, which share their flags.
func judgeBuild(c call, sub string, args []word, workdir string, in goContext) goCall {
	cgo := c.Env["CGO_ENABLED"]
	if cgo.Dyn {
		return bad("dynamic-command", "CGO_ENABLED is not known before the command runs")
	}
	if cgo.Text != "" && cgo.Text != "0" {
		return bad("cgo-enabled", "CGO_ENABLED="+cgo.Text+" needs a C compiler for the target")
	}
	fl, p := readFlags(sub, args, cgo.Text)
	if p != nil {
		return goCall{problem: p}
	}
	g := goCall{sensitive: true, compiles: true}
	switch {
	case sub == "vet":
		return g
	case sub == "test" && !fl.only:
		return bad("go-test", "go test runs what it built")
	case sub == "install":
		return judgeInstall(c, g, fl, in)
	case fl.out.Text == "/dev/null":
		return g
	}
	names, known := programs(fl.packages)
	if sub == "test" {
		known = false
	}
	g.products, p = outputs(fl, names, known, workdir, in)
	g.problem = p
	return g
}

// outputs are the files that go build writes.
func outputs(fl goFlags, names []string, known bool, workdir string, in goContext) ([]product, *Problem) {
	switch {
	case !fl.haveOut && fl.pattern:
		// Of several packages nothing is written, of a single one its program.
		return []product{{Path: workdir, Dir: true}}, nil
	case !fl.haveOut && in.windows:
		return nil, &Problem{Code: "output-unknown", Reason: "go build has no -o, so the name of its result depends on the target: on windows it ends in .exe"}
	case !fl.haveOut && known && len(names) == 1:
		return []product{{Path: join(workdir, names[0])}}, nil
	case !fl.haveOut && len(fl.packages) > 1:
		return nil, nil // they are only compiled
	case !fl.haveOut:
		return []product{{Path: workdir, Dir: true}}, nil
	}
	to := join(workdir, fl.out.Text)
	switch {
	case fl.out.Dyn:
		to = path.Dir(to[:strings.IndexByte(to, 0)] + "x")
		if in.files.image(to) || strings.Contains(fl.out.Text, "..") {
			return nil, &Problem{Code: "dynamic-command", Reason: "the value of -o is not known before it runs"}
		}
		return []product{{Path: to, Dir: true}}, nil
	case !strings.HasSuffix(fl.out.Text, "/") && len(fl.packages) < 2 && !fl.pattern && !in.files.isFolder(to, workdir):
		return []product{{Path: to}}, nil
	case known && !in.windows:
		var out []product
		for _, n := range names {
			out = append(out, product{Path: path.Join(to, n)})
		}
		return out, nil
	}
	return []product{{Path: to, Dir: true}}, nil
}

// isFolder reports whether p is known to be a folder already.
func (f *files) isFolder(p, workdir string) bool {
	below := func(w string) bool { return w != p && within(w, p) }
	return p == workdir || slices.Contains(f.made, p) || slices.Contains(imageDirs, p) || slices.ContainsFunc(f.made, below) ||
		slices.ContainsFunc(f.products, func(q product) bool { return below(q.Path) || q.Dir && q.Path == p })
}

var majorVersion = lazyre.New(`^v\d+$`)

// programs are the names that Go gives to the programs of packages; ok is false if one is not told by its path.
func programs(packages []word) (names []string, ok bool) {
	if len(packages) == 0 {
		return nil, false
	}
	for _, w := range packages {
		p, _, _ := strings.Cut(w.Text, "@")
		elems := strings.Split(strings.Trim(p, "/"), "/")
		n := elems[len(elems)-1]
		if majorVersion().MatchString(n) && len(elems) > 1 {
			n = elems[len(elems)-2]
		}
		if w.Dyn || n == "." || n == ".." || n == "" || strings.Contains(n, "...") || strings.ContainsAny(n, "*?[") || strings.HasSuffix(n, ".go") || majorVersion().MatchString(n) {
			return nil, false
		}
		names = append(names, n)
	}
	return names, true
}

var plainPath = lazyre.New(`^/[A-Za-z0-9._/-]+$`)

// judgeInstall: compiling for another platform, Go installs to bin/GOOS_GOARCH; pinning adds a link there that leads back to bin.
func judgeInstall(c call, g goCall, fl goFlags, in goContext) goCall {
	if in.windows {
		return bad("go-install", "go install gives programs for windows another name")
	}
	if v, ok := c.Env["GOBIN"]; ok && (v.Text != "" || v.Dyn) {
		return hidden("go-install", "go install refuses GOBIN when it compiles for another platform")
	}
	gopath, known := c.Env["GOPATH"]
	home := c.Env["HOME"]
	switch {
	case known && !gopath.Dyn && gopath.Text != "":
	case !in.node.envKnown && official(in.node.Root().Image) == "golang":
		gopath = word{Text: "/go"}
	case in.node.envKnown && home.Text != "" && !home.Dyn:
		gopath = word{Text: home.Text + "/go"}
	case in.node.envKnown && (in.node.user == "" || in.node.user == "root" || in.node.user == "0"):
		gopath = word{Text: "/root/go"}
	default:
		return hidden("go-install", "it is not known where go install writes to, without GOPATH")
	}
	first, _, _ := strings.Cut(gopath.Text, ":")
	g.bin = path.Join(first, "bin")
	if !plainPath().MatchString(g.bin) {
		return bad("go-install", "go install writes to "+g.bin+", which is no plain path")
	}
	if slices.ContainsFunc(fl.packages, func(w word) bool { return w.Text == "std" || w.Text == "cmd" || w.Text == "all" }) {
		return bad("go-install", "go install changes the toolchain itself")
	}
	names, ok := programs(fl.packages)
	if !ok {
		g.products = []product{{Path: g.bin, Dir: true}}
		return g
	}
	for _, n := range names {
		g.products = append(g.products, product{Path: path.Join(g.bin, n)})
	}
	return g
}

func join(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(dir, p)
}
