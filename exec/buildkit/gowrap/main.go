// Command gowrap stands in front of the go command while a RUN instruction runs, and gives the target platform to the calls
// that build the product.
//
// In: the arguments of go, the environment, and in XBUILD_GO the target as os/arch/variant. Out: what the real go command,
// which lies beside it under the name of [realName], does and prints, and its exit code. Promised: a call gets a target only if
// it makes or looks at files of the product and says nothing of a target itself; tools (go run, go generate, go install
// PATH@VERSION, go tool) are made for the machine that runs them; where C code may be compiled the call is left as it is, so that
// its result is for the wrong machine and is noticed. Start with [judge].
//
// It is compiled by the go command of the image that it is for, as one file and without a module, so that it needs nothing but
// the standard library, in the form that it had in Go 1.16.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// realName is the name of the real go command, in the folder of this one.
const realName = ".xbuild-go"

// variable holds the target.
const variable = "XBUILD_GO"

func main() {
	self, err := os.Executable()
	if err != nil {
		fail(err)
	}
	real := filepath.Join(filepath.Dir(self), realName)
	w := world{host: target{os: runtime.GOOS, arch: runtime.GOARCH}, env: environment(os.Environ()), hasCompiler: hasCompiler}
	w.modules = func(dir []string) []string { return modules(real, dir) }
	v := judge(os.Args[1:], w)
	if v.note != "" {
		fmt.Fprintf(os.Stderr, "xbuild: go %s is left as it is: %s\n", os.Args[1], v.note)
	}
	env := merge(os.Environ(), v.set)
	if v.install {
		os.Exit(install(real, env, w.env))
	}
	fail(syscall.Exec(real, append([]string{"go"}, os.Args[1:]...), env))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "xbuild: the wrapper of the go command cannot start it:", err)
	os.Exit(127)
}

// target is a platform in Go's words.
type target struct{ os, arch, variant string }

// parseTarget reads os/arch/variant; the variant may be empty.
func parseTarget(s string) (target, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return target{}, false
	}
	return target{parts[0], parts[1], parts[2]}, true
}

// level is the variable that gives Go the level of the target's architecture, and its value for the variant.
func (t target) level() (name, value string) {
	switch {
	case t.arch == "arm" && t.variant == "v8":
		return "GOARM", "7"
	case t.arch == "arm":
		return "GOARM", strings.TrimPrefix(t.variant, "v")
	case t.arch == "arm64" && t.variant == "v9":
		return "GOARM64", "v9.0"
	case t.arch == "arm64" && t.variant == "v8": // what Go makes without it
		return "", ""
	}
	names := map[string]string{"amd64": "GOAMD64", "arm64": "GOARM64", "ppc64": "GOPPC64", "ppc64le": "GOPPC64", "riscv64": "GORISCV64"}
	if name = names[t.arch]; name == "" {
		return "", ""
	}
	return name, t.variant
}

// world is what a judgement stands on beside the arguments.
type world struct {
	host target
	env  map[string]string
	// hasCompiler reports whether a C compiler can be found, so that Go turns cgo on by itself.
	hasCompiler func(env map[string]string) bool
	// modules are the paths of the main modules where go is called with the arguments given first; empty if there are none.
	modules func(first []string) []string
}

// verdict is what to do with a call.
type verdict struct {
	// set are variables to set; a value of "" removes one.
	set map[string]string
	// install says that files must be moved to where an install for this machine puts them.
	install bool
	// note says why a call that could make the product is left as it is.
	note string
}

// judge decides about one call of go.
func judge(args []string, w world) verdict {
	t, ok := parseTarget(w.env[variable])
	if !ok || len(args) == 0 {
		return verdict{}
	}
	c := readCall(args)
	switch c.name {
	case "build", "install", "vet":
	case "list":
		if c.has("-m") {
			return verdict{}
		}
	case "test":
		if !c.has("-c") {
			return verdict{set: map[string]string{variable: ""}} // what tests build, they run
		}
	case "generate":
		return verdict{set: map[string]string{variable: ""}}
	default:
		return verdict{}
	}
	return product(c, t, w)
}

// product decides about a call that may make files of the product.
func product(c call, t target, w world) verdict {
	if w.env["GOARCH"] != "" || w.env["GOOS"] != "" && w.env["GOOS"] != t.os || c.versioned() || !c.ours(w.modules) {
		return verdict{}
	}
	set := map[string]string{}
	if name, value := t.level(); value != "" && w.env[name] == "" {
		set[name] = value
	}
	if t.os == w.host.os && t.arch == w.host.arch {
		return verdict{set: set}
	}
	if why := c.external(w.env["GOFLAGS"]); why != "" {
		return verdict{note: why}
	}
	switch cgo := w.env["CGO_ENABLED"]; {
	case cgo == "0":
	case cgo != "":
		return verdict{note: "CGO_ENABLED is " + cgo}
	case w.hasCompiler(w.env):
		return verdict{note: "there is a C compiler, so cgo may be on; CGO_ENABLED=0 would make sure that it is not"}
	}
	set["GOOS"], set["GOARCH"], set["CGO_ENABLED"] = t.os, t.arch, "0"
	v := verdict{set: set, install: c.name == "install"}
	if v.install {
		set["GOBIN"] = "" // with it go refuses to install for another platform
	}
	return v
}

// call is a call of go, taken apart.
type call struct {
	name     string
	first    []string // -C and its value
	flags    map[string]string
	packages []string
}

// Flags that are followed by a value, where it is not after "=".
var valueFlags = words("-C -o -p -ldflags -gcflags -asmflags -tags -mod -modfile -overlay -pkgdir -toolexec -buildmode -compiler -gccgoflags " +
	"-installsuffix -pgo -covermode -coverpkg -exec -vettool -f -reuse -run -skip -bench -benchtime -count -cpu -parallel -timeout -coverprofile " +
	"-cpuprofile -memprofile -outputdir -trace -shuffle -fuzz -vet -blockprofile -mutexprofile -memprofilerate -blockprofilerate -list")

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// readCall takes arguments apart.
func readCall(args []string) call {
	c := call{name: args[0], flags: map[string]string{}}
	for i := 1; i < len(args); i++ {
		a := args[i]
		if a == "-args" || a == "--args" {
			break
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			c.packages = append(c.packages, a)
			continue
		}
		name, value, inline := cut(a)
		if !inline && valueFlags[name] && i+1 < len(args) {
			i++
			value = args[i]
		}
		if name == "-C" && len(c.flags) == 0 && len(c.packages) == 0 {
			c.first = []string{"-C", value}
			continue
		}
		c.flags[name] = value
	}
	return c
}

// cut takes a flag apart; --flag is -flag.
func cut(a string) (name, value string, inline bool) {
	if strings.HasPrefix(a, "--") {
		a = a[1:]
	}
	if i := strings.Index(a, "="); i >= 0 {
		return a[:i], a[i+1:], true
	}
	return a, "", false
}

// has reports whether a switch is on.
func (c *call) has(name string) bool {
	v, ok := c.flags[name]
	return ok && v != "false"
}

// versioned reports whether the call is for a package of a module that is not part of the build: a tool.
func (c *call) versioned() bool {
	for _, p := range c.packages {
		if strings.Contains(p, "@") {
			return true
		}
	}
	return false
}

// ours reports whether all packages are of the main modules. Others are tools that a go.mod only names the version of.
func (c *call) ours(modules func([]string) []string) bool {
	var main []string
	asked := false
	for _, p := range c.packages {
		if strings.HasPrefix(p, ".") || strings.HasPrefix(p, "/") || strings.HasSuffix(p, ".go") || p == "all" || p == "std" || p == "work" {
			continue
		}
		if !asked {
			main, asked = modules(c.first), true
		}
		if len(main) > 0 && !within(p, main) {
			return false
		}
	}
	return true
}

func within(p string, modules []string) bool {
	for _, m := range modules {
		if p == m || strings.HasPrefix(p, m+"/") {
			return true
		}
	}
	return false
}

// external says what in the flags may need a C compiler or another tool for the target; empty if nothing does.
func (c *call) external(goflags string) string {
	for _, f := range strings.Fields(goflags) {
		name, value, _ := cut(f)
		if why := externalFlag(name, value); why != "" {
			return why + " in GOFLAGS"
		}
	}
	for _, name := range sortedKeys(c.flags) {
		if why := externalFlag(name, c.flags[name]); why != "" {
			return why
		}
	}
	return ""
}

func externalFlag(name, value string) string {
	switch name {
	case "-race", "-msan", "-asan", "-linkshared":
		if value != "false" {
			return name
		}
	case "-buildmode":
		if value != "default" && value != "exe" {
			return name + "=" + value
		}
	case "-toolexec", "-overlay", "-gccgoflags":
		return name
	case "-compiler":
		if value != "gc" {
			return name + "=" + value
		}
	case "-ldflags":
		for _, s := range []string{"-linkmode=external", "-linkmode external", "-extld=", "-extld ", "-linkshared", "-race", "-msan"} {
			if strings.Contains(value, s) {
				return "-ldflags with " + strings.TrimSpace(s)
			}
		}
	}
	return ""
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		i := len(out)
		for i > 0 && out[i-1] > k {
			i--
		}
		out = append(out[:i], append([]string{k}, out[i:]...)...)
	}
	return out
}

// environment is a list of NAME=VALUE as a map.
func environment(list []string) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		if i := strings.Index(kv, "="); i > 0 {
			m[kv[:i]] = kv[i+1:]
		}
	}
	return m
}

// merge is the list with some variables set anew, or removed.
func merge(list []string, set map[string]string) []string {
	var out []string
	for _, kv := range list {
		i := strings.Index(kv, "=")
		if i > 0 {
			if _, ok := set[kv[:i]]; ok {
				continue
			}
		}
		out = append(out, kv)
	}
	for _, k := range sortedKeys(set) {
		if set[k] != "" {
			out = append(out, k+"="+set[k])
		}
	}
	return out
}

// hasCompiler looks for a C compiler as Go does, and for others, too.
func hasCompiler(env map[string]string) bool {
	if env["CC"] != "" {
		return true
	}
	for _, name := range []string{"gcc", "clang", "cc"} {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

// modules asks the real go command.
func modules(real string, first []string) []string {
	cmd := exec.Command(real, append(append([]string{"list"}, first...), "-m")...)
	cmd.Env = merge(os.Environ(), map[string]string{variable: ""})
	out, err := cmd.Output()
	if err != nil {
		return nil // no module, or a mistake that the call itself will meet
	}
	var list []string
	for _, m := range strings.Fields(string(out)) {
		if m != "command-line-arguments" {
			list = append(list, m)
		}
	}
	return list
}

// install runs go install for another platform, and moves what it wrote from the folder of that platform to where an install for
// this machine puts it.
func install(real string, env []string, before map[string]string) int {
	gopath, gobin := goenv(real, "GOPATH"), before["GOBIN"]
	if gobin == "" {
		gobin = goenv(real, "GOBIN")
	}
	if list := filepath.SplitList(gopath); len(list) > 0 {
		gopath = list[0]
	}
	now := environment(env)
	from := filepath.Join(gopath, "bin", now["GOOS"]+"_"+now["GOARCH"])
	to := filepath.Join(gopath, "bin")
	if gobin != "" {
		to = gobin
	}
	cmd := exec.Command(real, os.Args[1:]...)
	cmd.Args[0], cmd.Env = "go", env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() > 0 {
			return exit.ExitCode()
		}
		fail(err)
	}
	if err := moveAll(from, to); err != nil {
		fmt.Fprintln(os.Stderr, "xbuild: what go install wrote cannot be put in place:", err)
		return 1
	}
	return 0
}

// goenv asks the real go command for a variable, without a target.
func goenv(real, name string) string {
	out, err := exec.Command(real, "env", name).Output()
	if err != nil {
		fail(err)
	}
	return string(bytes.TrimSpace(out))
}

// moveAll moves the files of a folder, and removes it. A folder that is not there has nothing to move.
func moveAll(from, to string) error {
	dir, err := os.Open(from)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0777); err != nil {
		return err
	}
	for _, n := range names {
		if err := move(filepath.Join(from, n), filepath.Join(to, n)); err != nil {
			return err
		}
	}
	return os.Remove(from)
}

// move renames a file, or copies it where the two places are on different mounts.
func move(from, to string) error {
	if err := os.Rename(from, to); err == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) { // it may be running
		return err
	}
	if err := os.WriteFile(to, data, 0777); err != nil {
		return err
	}
	return os.Remove(from)
}
