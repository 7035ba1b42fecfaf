package dockerfile

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each mutation breaks one soundness condition: old is replaced by new in file. The tests of this package must notice.
var mutations = []struct{ name, file, old, new string }{
	{"cgo enabled is fine", "golang.go", `cgo.Text != "" && cgo.Text != "0"`, `false`},
	{"any image has no compiler", "analysis.go", `!noCompiler(n.Root().Image)`, `false`},
	{"race needs no cgo", "golang.go", `case "-race", "-msan", "-asan":`, `case "-none":`},
	{"any build mode", "golang.go", `value.Text != "default" && value.Text != "exe"`, `false`},
	{"external linking is fine", "golang.go", `case strings.HasPrefix(f, "-linkmode") && !strings.HasSuffix(f, "=internal"):`, `case false:`},
	{"external flags are fine", "golang.go", `case strings.HasPrefix(f, "-extld"), `, `case `},
	{"unknown linker flags are fine", "golang.go", `case unknown && !(strings.HasPrefix(f, "-X=") || afterX):`, `case false && afterX:`},
	{"toolexec is fine", "golang.go", `case "-toolexec", `, `case `},
	{"a set target is fine", "golang.go", `ok && (v.Text != "" && v.Text != fine[k] || v.Dyn)`, `ok && v.Dyn && fine == nil`},
	{"experiments are fine", "golang.go", `for _, k := range []string{"GOEXPERIMENT", "GOROOT"`, `for _, k := range []string{"GOROOT"`},
	{"GOFLAGS are not looked at", "golang.go", `for _, f := range strings.Fields(flags.Text) {`, `for _, f := range []string{} {`},
	{"go env -w is fine", "golang.go", `return bad("toolchain-changed", "go env -w "+k+" changes how the toolchain works")`, `_ = k`},
	{"go env GOARCH is fine", "golang.go", `"GOPATH", "GOMODCACHE",`, `"GOARCH", "GOPATH", "GOMODCACHE",`},
	{"go test is fine", "golang.go", `case "test", "run", "generate", "install":`, `case "run", "generate", "install":`},
	{"unknown outputs are fine", "golang.go", `case !haveOut || out.Text == "":`, `case !haveOut && false:`},
	{"dynamic values are fine", "golang.go", `		if value.Dyn {`, `		if false {`},
	{"products may run", "commands.go", `if runsProduct(arg0, products) {`, `if false {`},
	{"package managers are fine", "commands.go", `case slices.Contains(packageManagers, name):`, `case false:`},
	{"downloads are fine", "commands.go", `case slices.Contains(downloaders, name):`, `case false:`},
	{"probes are fine", "commands.go", `case slices.Contains(archProbes, name), `, `case `},
	{"unknown commands are fine", "commands.go", `case !slices.Contains(neutralCommands, name):`, `case false:`},
	{"scripts are fine", "commands.go", `case slices.Contains(interpreters, name):`, `case name == "sh" || name == "bash":
		return nil
	case slices.Contains(interpreters, name):`},
	{"find may exec", "commands.go", `case name == "find" && slices`, `case false && slices`},
	{"/proc is fine", "commands.go", `strings.HasPrefix(a.Text, "/proc") || `, ``},
	{"ADD of a URL is fine", "analysis.go", `if c.Remote {`, `if false {`},
	{"files from images are fine", "analysis.go", `case d.Image != "":`, "case d.Image != \"\":\n\t\t\tcontinue\n\t\tcase false:"},
	{"files from foreign stages are fine", "analysis.go", `if d.Node.Platform != in.Build ||`, `if false && d.Node.Platform != in.Build ||`},
	{"opaque scripts are fine", "analysis.go", `if s.Opaque != "" {`, `if false {`},
	{"fixed platforms are fine", "cross.go", `if root.Stage.Platform != "" && root != g.Result.Root() {`, `if false {`},
	{"final stages may compile", "cross.go", `if a.stageCompiles[n.Index] {`, `if false {`},
	{"bases may be shipped", "cross.go", `if len(shipped) > 0 && a.compiles {`, `if false && a.compiles {`},
	{"consumers may take anything", "cross.go", `problems = a.users(grp, g)`, `problems = nil`},
	{"products may be reused", "cross.go", `if inside {`, `if inside {
					continue
				}
				if false {`},
	{"folders are always ours", "files.go", `if within(w, p) || within(p, w) {`, `if false && w == p {`},
	{"system folders are ours", "files.go", `case slices.Contains(imageDirs, p) || p == "/":`, `case false:`},
	{"overwritten products are products", "files.go", `if slices.Contains(f.written, p) {`, `if false {`},
	{"patterns are exact", "files.go", `strings.ContainsAny(p, "*?[")`, `false`},
	{"variants do not mix badly", "cross.go", `case len(arm) > 0 && len(other) > 0:`, `case false:`},
}

// TestMutations takes about a minute and so runs only where XBUILD_TEST_MUTATIONS=1 asks for it, as ./test does.
func TestMutations(t *testing.T) {
	if os.Getenv("XBUILD_TEST_MUTATIONS") != "1" {
		t.Skip("set XBUILD_TEST_MUTATIONS=1 to break each soundness condition in turn")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mutations {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			src, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(src), m.old); n != 1 {
				t.Fatalf("mutation %d: its text stands %d times in %s, want once", i, n, m.file)
			}
			tmp := t.TempDir()
			mutated := filepath.Join(tmp, m.file)
			if err := os.WriteFile(mutated, []byte(strings.Replace(string(src), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, m.file): mutated}})
			file := filepath.Join(tmp, "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("go", "test", "-vet=off", "-overlay", file, "-run", "TestRefusals|TestGoCommands|TestTakeOut|TestVariants|TestStages", ".")
			cmd.Env = append(os.Environ(), "XBUILD_TEST_MUTATIONS=0")
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
