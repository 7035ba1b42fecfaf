package dockerfile

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/internal/volume"
)

// Each mutation breaks one soundness condition: old is replaced by new in file. The tests of this package must notice.
var mutations = []struct{ name, file, old, new string }{
	{"cgo enabled is fine", "golang.go", `cgo.Text != "" && cgo.Text != "0"`, `false`},
	{"any image has no compiler", "analysis.go", `!noCompiler(image)`, `!noCompiler(image) && false`},
	{"old alpine images are fine", "packages.go", `goSince(ref, 20)`, `goSince(ref, 1)`},
	{"any golang image is the official one", "packages.go", `if prefix == "" ||`, `if true || prefix == "" ||`},
	{"installed compilers are fine", "analysis.go", `if fs.compiler != "" {`, `if false {`},
	{"Go may be a package", "packages.go", `case goPackage().MatchString(a.Text):`, `case false:`},
	{"packages may be files", "packages.go", `case strings.Contains(a.Text, "/") || strings.HasSuffix(a.Text, ".deb") || strings.HasSuffix(a.Text, ".rpm") || strings.HasSuffix(a.Text, ".apk"):`, `case false:`},
	{"apk may tell the architecture", "packages.go", `case name == "apk" && a.Text == "--print-arch":`, `case false:`},
	{"race needs no cgo", "goflags.go", `case "-race", "-msan", "-asan":`, `case "-none":`},
	{"any build mode", "goflags.go", `value.Text != "default" && value.Text != "exe"`, `false`},
	{"external linking is fine", "goflags.go", `case strings.HasPrefix(f, "-linkmode") && !strings.HasSuffix(f, "=internal"):`, `case false:`},
	{"external flags are fine", "goflags.go", `case strings.HasPrefix(f, "-extld"), `, `case `},
	{"unknown linker flags are fine", "goflags.go", `case unknown && !(strings.HasPrefix(f, "-X=") || afterX):`, `case false && afterX:`},
	{"unknown arguments are fine", "goflags.go", `case !a.Splits && known != "" &&`, "case a.Dyn:\n\tcase !a.Splits && known != \"\" &&"},
	{"toolexec is fine", "goflags.go", `case "-toolexec", `, `case `},
	{"vettool is fine", "goflags.go", `"-vettool", "-compiler"`, `"-compiler"`},
	{"a set target is fine", "golang.go", `if v, ok := file.Get(k); ok && v != "" && v != want {`, `if false {`},
	{"an emptied target is fine", "golang.go", `if v := c.Env[k]; v.Dyn || v.Text != want {`, `if v := c.Env[k]; v.Dyn || v.Text != want && v.Text != "" {`},
	{"experiments are fine", "golang.go", `for _, k := range []string{"GOEXPERIMENT", "GOROOT"`, `for _, k := range []string{"GOROOT"`},
	{"GOFLAGS are not looked at", "golang.go", `for _, f := range strings.Fields(flags.Text) {`, `for _, f := range []string{} {`},
	{"go env -w is fine", "golang.go", `return bad("toolchain-changed", "go env -w "+k+" changes how the toolchain works")`, `_ = k`},
	{"go env GOHOSTARCH is fine", "golang.go", `strings.Fields("GOPATH GOMODCACHE`, `strings.Fields("GOHOSTARCH GOPATH GOMODCACHE`},
	{"go version is fine", "golang.go", "if c.Read {\n\t\t\treturn bad(\"arch-probe\", \"go version", "if false {\n\t\t\treturn bad(\"arch-probe\", \"go version"},
	{"go test is fine", "golang.go", `case sub == "test" && !fl.only:`, `case false:`},
	{"go run is fine", "golang.go", `return hidden("go-"+sub, reason)`, "_ = reason\n\t\treturn goCall{}"},
	{"go get is fine", "golang.go", `return bad("go-get", "go get may install a program, depending on the version of Go")`, `return goCall{}`},
	{"go get never installs", "packages.go", `return err == nil && n >= minor`, `return err == nil || n >= minor`},
	{"GOBIN is fine", "golang.go", "ok && (v.Text != \"\" || v.Dyn) {\n\t\treturn hidden(\"go-install\"", "ok && v.Dyn {\n\t\treturn hidden(\"go-install\""},
	{"the standard library may be installed", "golang.go", `w.Text == "std" ||`, ``},
	{"the link of go install may be taken", "analysis.go", `fs.write(v.bin+"/"`, `fs.write("/dev/"+v.bin+"/"`},
	{"unknown outputs are fine anywhere", "golang.go", `if in.files.image(to) || strings.Contains(fl.out.Text, "..") {`, `if false {`},
	{"the image's files are products", "files.go", `return dir != "/go/bin" && (slices.Contains(imageDirs, dir) || provided(dir))`, `return false && provided(dir)`},
	{"dynamic values are fine", "goflags.go", "\t\tif value.Dyn {", "\t\tif false {"},
	{"any folder is fine", "golang.go", `if !ok || c.Dir.Dyn {`, `if !ok && false {`},
	{"products may run", "commands.go", `if runsProduct(arg0, products) {`, `if false {`},
	{"products on PATH may run", "commands.go", `(onPath(path.Dir(p.Path)) ||`, `(`},
	{"package managers are fine", "commands.go", `case slices.Contains(otherManagers, name):`, "case name == \"pip\":\n\t\treturn nil\n\tcase slices.Contains(otherManagers, name):"},
	{"other compilers are fine", "commands.go", `case slices.Contains(compilers, name):`, "case name == \"gcc\":\n\t\treturn nil\n\tcase slices.Contains(compilers, name):"},
	{"downloads are fine", "commands.go", `case slices.Contains(downloaders, name):`, `case false:`},
	{"probes are fine", "commands.go", `case slices.Contains(archProbes, name), `, `case `},
	{"unknown commands are fine", "commands.go", `case !slices.Contains(neutralCommands, name):`, `case false:`},
	{"scripts are fine", "commands.go", `case slices.Contains(interpreters, name):`, "case name == \"sh\" || name == \"bash\":\n\t\treturn nil\n\tcase slices.Contains(interpreters, name):"},
	{"any image has Go", "analysis.go", `slices.Contains(knownImages, image) && image != "golang" {`, `slices.Contains(knownImages, image) && image == "none" {`},
	{"programs embed nothing", "analysis.go", `if w := fs.embeddable(c.Dir.Text); w != "" {`, `if w := fs.embeddable(c.Dir.Text); w == "none" {`},
	{"pipes bring nothing", "analysis.go", `tainted = tainted || c.Read && fs.readsForeign(c)`, `tainted = tainted && c.Read`},
	{"command runs nothing", "commands.go", `case name == "command" && a.Text`, `case false && a.Text`},
	{"tar, sed and awk run nothing", "commands.go", `case name == "tar" && slices`, "case name != \"find\" && name != \"git\":\n\t\t\tcontinue\n\t\tcase name == \"tar\" && slices"},
	{"go is always the image's", "analysis.go", `return onPath(dir) ||`, `return false &&`},
	{"words never split", "words.go", `!quoted && len(parts) > 1 && strings`, `false && strings`},
	{"links start at the working folder", "files.go", `&& !path.IsAbs(args[0].Text) {`, `&& !path.IsAbs(args[0].Text) && false {`},
	{"any heredoc is a script", "script.go", `|| len(strings.Fields(strings.TrimLeft(src, "<- \t"))) != 1 {`, `{`},
	{"git may run commands", "commands.go", `case name == "git" && slices`, `case false && slices`},
	{"find may exec", "commands.go", `case name == "find" && slices`, `case false && slices`},
	{"/proc is fine", "commands.go", `strings.Fields("/proc /sys`, `strings.Fields("/sys`},
	{"libraries tell nothing", "commands.go", `strings.Fields("/proc /sys /lib `, `strings.Fields("/proc /sys `},
	{"ADD of a URL is fine", "analysis.go", "case c.Remote:\n", "case c.Remote && n == nil:\n"},
	{"programs of images are fine", "analysis.go", `case image != "":`, `case false:`},
	{"programs of foreign stages are fine", "analysis.go", `if from.Platform != a.in.Build ||`, `if false && from.Platform != a.in.Build ||`},
	{"PATH is as usual", "analysis.go", `return slices.ContainsFunc(strings.Split(v, ":"), func(dir string) bool { return path.IsAbs(dir) && (within(p, dir) || within(dir, p)) })`, `return v == "none"`},
	{"mounts bring nothing", "analysis.go", `a.input(n, m.Dep.Node, m.Dep.Image+m.Dep.Context, at, r.Line)`, `_ = at`},
	{"mounts stay", "analysis.go", `fs.hide(mountPoint(m, r))`, `_ = m`},
	{"names may gain a value", "analysis.go", `if _, ok := r.Env.Get(k); !ok && (a.environment`, `if _, ok := r.Env.Get(k); !ok && n == nil && (a.environment`},
	{"names outside RUN may gain a value", "analysis.go", `if a.active(n, m.line) {`, `if false {`},
	{"the target may be replaced", "analysis.go", `if v != want[k] {`, `if false {`},
	{"arguments may choose the target", "analysis.go", `if v, ok := a.g.args[k]; ok &&`, `if v, ok := a.g.args[k]; ok && a == nil &&`},
	{"opaque scripts are fine", "analysis.go", `if s.Opaque != "" {`, `if false {`},
	{"fixed platforms are fine", "cross.go", `if root.Stage.Platform != "" && root != g.Result.Root() {`, `if false {`},
	{"another build platform is fine", "cross.go", `if g.BuildPlatform != in.Build.String() {`, `if false {`},
	{"final stages may compile", "cross.go", `if a.stageCompiles[n.Index] {`, `if false {`},
	{"bases may be shipped", "cross.go", `if len(shipped) > 0 && (a.compiles || grp.vouched(in)) {`, `if false {`},
	{"consumers may take anything", "cross.go", `problems = a.users(grp, g)`, `problems = nil`},
	{"products may be reused", "cross.go", `if inside {`, "if inside {\n\t\t\t\t\tcontinue\n\t\t\t\t}\n\t\t\t\tif false {"},
	{"siblings hand on nothing of the machine", "analysis.go", `foreign = foreign || code != ""`, `_ = code`},
	{"folders are always ours", "files.go", "case f.overlapsForeign(p):\n\t\treturn \"copies-tree\"", "case false:\n\t\treturn \"copies-tree\""},
	{"unknown images are empty", "files.go", "case f.open:\n", "case false:\n"},
	{"system folders are ours", "files.go", `case slices.Contains(imageDirs, p) || provided(p) && !slices.Contains(f.neutral, p):`, `case false:`},
	{"copies of the machine's files are the same", "files.go", `f.write(target, dest.Dyn, src.Dyn || !f.same(from))`, `f.write(target, dest.Dyn, false)`},
	{"what the machine's files say is the same", "files.go", `w.Dyn || c.Dir.Dyn, foreign)`, `w.Dyn || c.Dir.Dyn, false)`},
	{"overwritten products are products", "files.go", `if slices.Contains(f.foreign, p) {`, `if false {`},
	{"patterns are exact", "files.go", `if p = path.Dir(p); strings.ContainsAny(p, "*?[") || !f.clean(p) {`, `if p = path.Dir(p); false {`},
	{"each architecture has a level of its own", "golevel.go", `if len(levels) > 1 {`, `if false {`},
	{"a variant without a variable is not crossed", "cross.go", `name == "" && g.Target.Variant != ""`, `name == "x"`},
	{"branches are always taken", "evaluate.go", "if e.maybe > 0 {\n\t\tv = word", "if false {\n\t\tv = word"},
	{"tests always hold", "evaluate.go", `case and && !isTest(c.X):`, `case and:`},
	{"loops run once", "evaluate.go", "e.forget(c)\n\te.perhaps(func() {\n\t\te.vars", "e.perhaps(func() {\n\t\te.vars"},
	{"any image may have a hidden go", "checked.go", `official(root.Image) != "golang" {`, `root.Image == "none" {`},
	{"contexts need no look", "checked.go", `if !in.Files || grp.vouched(in)`, `if grp.vouched(in)`},
	{"problems beside hidden commands are fine", "checked.go", `found := slices.Concat(a.place(grp, g, in), a.problems)`, `found := a.place(grp, g, in)`},
	{"hidden builds may be anywhere", "checked.go", `found := slices.Concat(a.place(grp, g, in), a.problems)`, `found := slices.Clone(a.problems)`},
	{"consumers of hidden builds may take anything", "checked.go", `found = a.users(grp, g)`, `found = nil`},
	{"hidden commands without a context are fine", "checked.go", `case !n.sent() || fs.brought`, `case fs.brought`},
	{"scripts of other places are fine", "checked.go", `case !n.sent() || fs.brought ||`, `case !n.sent() ||`},
	{"scripts in what other places give are fine", "checked.go", ` || fs.runsOutside(c):`, `:`},
	{"sh runs no files of other places", "files.go", `if !strings.Contains(w.Text, "/") && !slices.Contains(interpreters, name) {`, `if !strings.Contains(w.Text, "/") && name != "none" {`},
	{"scripts have no names", "files.go", `scriptName().MatchString(path.Base(p))`, `scriptName().MatchString("" + p[:0])`},
	{"images bring no scripts", "files.go", `f.brought || from == nil ||`, `f.brought ||`},
	{"mounts of stages bring no scripts", "analysis.go", `fs.bring(m.Dep.Node, at, nil)`, `_ = at`},
	{"scripts may ask for the machine", "checked.go", `case a.in.Probe != "":`, `case a.in.Probe == "none":`},
	{"hidden commands may have a target", "checked.go", `a.add(n, r.Line, a.ownTarget(c))`, `_ = n`},
	{"hidden commands may have any environment", "checked.go", `a.add(n, r.Line, goEnvironment(c, r.Env, nil))`, `_ = n`},
	{"hidden commands may have any GOFLAGS", "checked.go", `a.add(n, r.Line, goFlagsVariable(c))`, `_ = n`},
	{"hidden commands may use cgo", "checked.go", `if v := c.Env["CGO_ENABLED"]; v.Dyn || v.Text != "" && v.Text != "0" {`, `if v := c.Env["CGO_ENABLED"]; v.Dyn {`},
	{"compilers beside hidden commands are fine", "checked.go", `a.add(n, r.Line, a.cgoOff(c, n, fs))`, `_ = n`},
	{"what hidden commands made may be used in the build", "cross.go", `case fs.hidden && !neutralInImage`, `case false && !neutralInImage`},
	{"what hidden commands made is all the target's", "cross.go", `code, reason := fs.takeChecked(p)`, `code, reason := fs.take(p)`},
	{"folders of the image tell their machine", "checked.go", `case slices.Contains(imageDirs, p) && p != "/go/bin" || provided(p) ||`, `case`},
	{"foreign files tell their machine", "checked.go", `case f.overlapsForeign(p) || f.unknown:`, `case f.unknown:`},
	{"set -a does nothing", "evaluate.go", `e.exported[name] = e.exported[name] || e.exportAll`, `_ = e.exportAll`},
}

// mutating is set while the tests run on mutated code.
const mutating = "XBUILD_TEST_MUTATING"

// TestMutations tries some of the mutations, and all of them in a soak: each compiles the package anew.
func TestMutations(t *testing.T) {
	if os.Getenv(mutating) != "" {
		return
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mutations {
		if n := strings.Count(source(t, m.file), m.old); n != 1 {
			t.Errorf("mutation %d (%s): its text stands %d times in %s, want once", i, m.name, n, m.file)
		}
	}
	for _, i := range volume.Spread(volume.Of(4, len(mutations)), len(mutations)) {
		m := mutations[i]
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			tmp := t.TempDir()
			mutated := filepath.Join(tmp, m.file)
			if err := os.WriteFile(mutated, []byte(strings.Replace(source(t, m.file), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, m.file): mutated}})
			file := filepath.Join(tmp, "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("go", "test", "-vet=off", "-overlay", file, "-run", "TestRefusals|TestGoCommands|TestTakeOut|TestVariants|TestStages|TestCheckedGrade|TestArguments", ".")
			cmd.Env = append(os.Environ(), mutating+"=1")
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Error("no test noticed")
			}
			if strings.Contains(string(out), "[build failed]") {
				t.Errorf("the mutation does not compile:\n%s", out)
			}
		})
	}
}

func source(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
