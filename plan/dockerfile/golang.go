package dockerfile

import (
	"path"
	"slices"
	"strings"
)

// product is a file, or a folder of files, that go build wrote.
type product struct {
	Path string // absolute
	Dir  bool
}

// goCall is a go command and what it means for cross-compilation.
type goCall struct {
	problem *Problem
	// sensitive says that the result depends on GOOS and GOARCH, so that they must be set before it.
	sensitive bool
	products  []product
	// cgo is the value of CGO_ENABLED that the command sees, "" if unset.
	cgo string
}

func bad(code, reason string) goCall { return goCall{problem: &Problem{Code: code, Reason: reason}} }

// judgeGo decides about one call of the go command. workdir is where it runs.
func judgeGo(c call, workdir string, n *Node) goCall {
	if p := goEnvironment(c, n); p != nil {
		return goCall{problem: p}
	}
	args := c.Args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0].Text, "-C") {
		dir := strings.TrimPrefix(strings.TrimPrefix(args[0].Text, "-C"), "=")
		if dir == "" && len(args) > 1 {
			dir, args = args[1].Text, args[1:]
		}
		workdir, args = join(workdir, dir), args[1:]
	}
	if len(args) == 0 {
		return goCall{}
	}
	if args[0].Dyn {
		return bad("dynamic-command", "the go subcommand is not known before it runs")
	}
	switch sub := args[0].Text; sub {
	case "build":
		return judgeBuild(c, args[1:], workdir)
	case "mod", "version", "work", "clean", "fmt", "doc", "help":
		return goCall{}
	case "list":
		return goCall{sensitive: !slices.ContainsFunc(args, func(w word) bool { return w.Text == "-m" })}
	case "env":
		return judgeEnv(args[1:])
	case "test", "run", "generate", "install":
		reason := map[string]string{
			"test":     "go test runs what it built",
			"run":      "go run runs what it built",
			"generate": "go generate runs programs that are not in the Dockerfile",
			"install":  "go install writes to another folder when it compiles for another platform",
		}[sub]
		return bad("go-"+sub, reason)
	default:
		return bad("go-tool", "go "+sub+" may depend on the machine")
	}
}

// goEnvironment refuses variables that already choose a target or change the toolchain.
func goEnvironment(c call, n *Node) *Problem {
	// A value that is the target's anyway, as in GOARCH=$TARGETARCH, says the same as the lines that pinning adds.
	fine := map[string]string{"GOOS": n.target.OS, "GOARCH": n.target.Arch, "GOARM": n.target.GOARM()}
	for _, k := range []string{"GOOS", "GOARCH", "GOARM", "GOAMD64", "GOARM64", "GO386", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64"} {
		v, ok := c.Env[k]
		if k == "GOARM" && n.target.Arch != "arm" {
			continue // Go does not look at it
		}
		if ok && (v.Text != "" && v.Text != fine[k] || v.Dyn) {
			return &Problem{Code: "target-already-set", Reason: k + " is set, so the Dockerfile chooses the target itself"}
		}
	}
	for _, k := range []string{"GOEXPERIMENT", "GOROOT", "GOHOSTARCH", "GOHOSTOS", "GO_EXTLINK_ENABLED", "GOENV", "GOFIPS140"} {
		if v, ok := c.Env[k]; ok && (v.Text != "" || v.Dyn) && !(k == "GOROOT" && v.Text == "/usr/local/go") {
			return &Problem{Code: "toolchain-changed", Reason: k + " changes how the toolchain works"}
		}
	}
	flags, ok := c.Env["GOFLAGS"]
	if !ok {
		return nil
	}
	if flags.Dyn {
		return &Problem{Code: "toolchain-changed", Reason: "GOFLAGS is not known before the command runs"}
	}
	for _, f := range strings.Fields(flags.Text) {
		if p := judgeFlag(word{Text: f}, word{}, c.Env["CGO_ENABLED"].Text); p != nil {
			p.Reason = "GOFLAGS: " + p.Reason
			return p
		}
		if strings.HasPrefix(f, "-o") {
			return &Problem{Code: "output-unknown", Reason: "GOFLAGS sets -o"}
		}
	}
	return nil
}

func judgeEnv(args []word) goCall {
	if len(args) == 0 {
		return bad("arch-probe", "go env prints values of the machine it runs on")
	}
	for i, a := range args {
		switch {
		case a.Dyn:
			return bad("dynamic-command", "the arguments of go env are not known before it runs")
		case a.Text == "-w" || a.Text == "-u":
			for _, kv := range args[i+1:] {
				k, _, _ := strings.Cut(kv.Text, "=")
				if !slices.Contains([]string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE", "GONOSUMCHECK"}, k) {
					return bad("toolchain-changed", "go env -w "+k+" changes how the toolchain works")
				}
			}
			return goCall{}
		case strings.HasPrefix(a.Text, "-"):
		case !slices.Contains([]string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOBIN", "GOPROXY", "GOVERSION", "GOMOD", "GOWORK", "GOFLAGS", "GOPRIVATE"}, a.Text):
			return bad("arch-probe", "go env "+a.Text+" prints a value of the machine it runs on")
		}
	}
	return goCall{}
}

// Flags of go build that take a value, in the next word if not after "=".
var buildValueFlags = strings.Fields("-o -p -ldflags -gcflags -asmflags -tags -mod -modfile -overlay -pkgdir -toolexec -buildmode -buildvcs -compiler " +
	"-gccgoflags -installsuffix -pgo -covermode -coverpkg -exec")

func judgeBuild(c call, args []word, workdir string) goCall {
	cgo := c.Env["CGO_ENABLED"]
	if cgo.Dyn {
		return bad("dynamic-command", "CGO_ENABLED is not known before the command runs")
	}
	g := goCall{sensitive: true, cgo: cgo.Text}
	if cgo.Text != "" && cgo.Text != "0" {
		return bad("cgo-enabled", "CGO_ENABLED="+cgo.Text+" needs a C compiler for the target")
	}
	out, haveOut := word{}, false
	packages := 0
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a.Dyn && !strings.HasPrefix(a.Text, "-ldflags") && !strings.HasPrefix(a.Text, "--ldflags") {
			return bad("dynamic-command", "an argument of go build is not known before it runs")
		}
		if !strings.HasPrefix(a.Text, "-") {
			packages++
			continue
		}
		name, value, inline := splitFlag(a)
		if !inline && slices.Contains(buildValueFlags, name) && i+1 < len(args) && !boolFlag(name, args[i+1]) {
			i++
			value = args[i]
		}
		if p := judgeFlag(word{Text: name}, value, cgo.Text); p != nil {
			return goCall{problem: p}
		}
		if name == "-o" {
			out, haveOut = value, true
		}
	}
	switch {
	case !haveOut || out.Text == "":
		return bad("output-unknown", "go build has no -o, so the place of its result depends on more than the Dockerfile")
	case out.Text == "/dev/null":
		return bad("output-unknown", "the result of go build is thrown away")
	}
	p := product{Path: join(workdir, out.Text), Dir: strings.HasSuffix(out.Text, "/")}
	// Several packages, or a pattern, make -o a folder.
	if packages > 1 || slices.ContainsFunc(args, func(w word) bool { return strings.Contains(w.Text, "...") }) {
		p.Dir = true
	}
	g.products = append(g.products, p)
	return g
}

// boolFlag: -buildvcs may stand alone, then the next word is no value.
func boolFlag(name string, next word) bool {
	return name == "-buildvcs" && !slices.Contains([]string{"true", "false", "auto"}, next.Text)
}

// splitFlag normalises --flag to -flag and separates "=value".
func splitFlag(a word) (name string, value word, inline bool) {
	s := a.Text
	if strings.HasPrefix(s, "--") {
		s = s[1:]
	}
	n, v, ok := strings.Cut(s, "=")
	return n, word{Text: v, Dyn: a.Dyn}, ok
}

// judgeFlag decides about one flag; flag may carry its value after "=".
func judgeFlag(flag, value word, cgo string) *Problem {
	name, v, inline := splitFlag(flag)
	if inline {
		value = v
	}
	switch name {
	case "-race", "-msan", "-asan":
		if value.Text != "false" {
			return &Problem{Code: "needs-cgo-flag", Reason: name + " needs cgo and a C compiler for the target"}
		}
	case "-buildmode":
		if value.Text != "default" && value.Text != "exe" {
			return &Problem{Code: "needs-cgo-flag", Reason: "-buildmode=" + value.Text + " may need a linker for the target"}
		}
	case "-toolexec", "-compiler", "-gccgoflags", "-overlay", "-pkgdir", "-installsuffix", "-exec":
		return &Problem{Code: "toolchain-changed", Reason: name + " changes how the toolchain works"}
	case "-ldflags":
		return judgeLdflags(value, cgo)
	default:
		if value.Dyn {
			return &Problem{Code: "dynamic-command", Reason: "the value of " + name + " is not known before it runs"}
		}
	}
	return nil
}

// judgeLdflags accepts unknown text only as the value of -X.
func judgeLdflags(value word, cgo string) *Problem {
	fields := strings.Fields(value.Text)
	for i, f := range fields {
		f = strings.Trim(f, `'"`)
		if strings.HasPrefix(f, "--") {
			f = f[1:]
		}
		unknown := strings.ContainsRune(f, 0)
		afterX := i > 0 && strings.Trim(fields[i-1], `'"-`) == "X"
		switch {
		case strings.HasPrefix(f, "-linkmode") && !strings.HasSuffix(f, "=internal"):
			return &Problem{Code: "needs-cgo-flag", Reason: "-linkmode needs a linker for the target"}
		case strings.HasPrefix(f, "-extldflags") && cgo == "0":
			return nil // the rest is for a linker that is never called
		case strings.HasPrefix(f, "-extld"), strings.HasPrefix(f, "-extar"), strings.HasPrefix(f, "-linkshared"), strings.HasPrefix(f, "-race"), strings.HasPrefix(f, "-msan"):
			return &Problem{Code: "needs-cgo-flag", Reason: f + " is for an external linker"}
		case unknown && !(strings.HasPrefix(f, "-X=") || afterX):
			return &Problem{Code: "dynamic-command", Reason: "the linker flags are not known before the command runs"}
		case unknown && !strings.Contains(strings.SplitN(f, "\x00", 2)[0], "="):
			return &Problem{Code: "dynamic-command", Reason: "the name after -X is not known before the command runs"}
		}
	}
	return nil
}

func join(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(dir, p)
}
