package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// onlyIn says, of functions that are dangerous with what others wrote, in which files they may be called, and why there.
var onlyIn = []struct {
	calls []string // IMPORT PATH.NAME
	files map[string]string
	else_ string // what to call elsewhere
}{
	{
		calls: []string{"os/exec.Command", "os/exec.CommandContext", "os.StartProcess", "syscall.Exec", "syscall.ForkExec", "syscall.StartProcess"},
		files: map[string]string{
			"cmd/internal/git/command.go":      "git, with all programs off that a repository's configuration names",
			"exec/buildkit/gowrap/main.go":     "a program of its own, which runs inside a build",
			"exec/embedded/rootless_linux.go":  "newuidmap and newgidmap",
			"exec/embedded/spawn_linux.go":     "this program as the daemon",
			"exec/buildkit/testdata/tool":      "a program for tests",
			"exec/embedded/testdata/step":      "a program for tests",
			"exec/output/testdata":             "programs for tests",
			"plan/dockerfile/testdata/variant": "programs for tests",
		},
		else_: "git.At for git; nothing else is started",
	},
	{
		calls: []string{"os.ReadFile", "io.ReadAll"},
		files: map[string]string{
			"exec/buildkit/private.go":            "a secret, which may be a pipe",
			"exec/buildkit/session.go":            "/etc/machine-id",
			"exec/buildkit/gowrap/main.go":        "a program of its own, which runs inside a build",
			"exec/embedded/configfile_linux.go":   "the registry configuration of the user; that of the daemon is /dev/null if there is none",
			"exec/embedded/namespace_linux.go":    "/proc",
			"exec/embedded/platforms_linux.go":    "/proc",
			"exec/embedded/preflight_linux.go":    "/proc",
			"exec/embedded/spawn_linux.go":        "the daemon's answer, with a limit",
			"exec/buildkit/export_names.go":       "members of an archive that the daemon sends, with a limit",
			"exec/fingerprint/store.go":           "xbuild's own, in the state directory",
			"exec/output/journal.go":              "xbuild's own, in the state directory",
			"exec/output/recover.go":              "xbuild's own, in the state directory",
			"exec/buildkit/testdata/tool":         "a program for tests",
			"exec/embedded/testdata/step":         "a program for tests",
			"exec/buildkit/testdata/gowrap/tests": "programs for tests",
		},
		else_: "regular.ReadFile, which refuses named pipes, devices and files without end",
	},
	{
		calls: []string{instructionsPackage + "Parse", instructionsPackage + "ParseCommand", instructionsPackage + "ParseInstruction",
			instructionsPackage + "ParseInstructionWithLinter"},
		files: map[string]string{"plan/dockerfile/instructions.go": "with a linter, without which it panics"},
		else_: "dockerfile.ParseStages",
	},
}

const instructionsPackage = "github.com/moby/buildkit/frontend/dockerfile/instructions."

// TestDangerousCalls keeps calls that are dangerous with what others wrote in the files that are known for them.
func TestDangerousCalls(t *testing.T) {
	const root = "../../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if name := d.Name(); rel == "e2e" || rel == "tmp" || strings.HasPrefix(name, ".") && rel != "." {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		for _, c := range calledOf(f) {
			for _, rule := range onlyIn {
				if !slices.Contains(rule.calls, c.name) || allowedIn(rule.files, rel) {
					continue
				}
				t.Errorf("%s:%d uses %s; use %s", rel, fset.Position(c.pos).Line, c.name, rule.else_)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func allowedIn(files map[string]string, rel string) bool {
	for f := range files {
		if rel == f || strings.HasPrefix(rel, f+"/") {
			return true
		}
	}
	return false
}

type used struct {
	name string
	pos  token.Pos
}

// calledOf lists what a file uses of the packages it imports, called or not.
func calledOf(f *ast.File) []used {
	imports := map[string]string{}
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = path
	}
	var out []used
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && imports[x.Name] != "" {
				out = append(out, used{imports[x.Name] + "." + sel.Sel.Name, sel.Pos()})
			}
		}
		return true
	})
	return out
}
