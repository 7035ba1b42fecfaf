package cli

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/xbuild/xbuild/"

// TestImports holds the drawing of the packages true: cmd -> {hcl, plan, exec} -> schema -> schema/diag.
func TestImports(t *testing.T) {
	imports := ourImports(t)
	for _, want := range []string{"cmd/internal/cli", "hcl", "plan", "plan/dockerfile", "exec", "exec/buildkit", "exec/embedded", "exec/output", "exec/progress", "schema", "schema/diag"} {
		if _, ok := imports[want]; !ok {
			t.Errorf("package %s is missing", want)
		}
	}
	for pkg, imps := range imports {
		for _, imp := range imps {
			if why := forbidden(pkg, imp); why != "" {
				t.Errorf("%s imports %s: %s", pkg, strings.TrimPrefix(imp, module), why)
			}
		}
	}
}

func below(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

// executor says which packages of the executor each of them may import. What knows BuildKit is imported by none but the command.
var executor = map[string][]string{
	"exec/buildkit":    {"exec", "exec/buildkit/engine", "exec/output", "exec/schedule"},
	"exec/exectest":    {"exec", "exec/schedule"},
	"exec/fingerprint": {"exec", "exec/output"},
	"exec/progress":    {"exec"},
	"exec/record":      {"exec"},
}

func forbidden(pkg, imp string) string {
	ours, isOurs := strings.CutPrefix(imp, module)
	switch {
	case isOurs:
		layers := map[string][]string{
			"internal":    {"internal"},
			"schema/diag": {"internal"},
			"schema":      {"schema/diag", "internal"},
			"hcl":         {"hcl", "schema", "internal"},
			"plan":        {"plan", "schema", "internal"},
			"exec":        {"exec", "plan", "schema", "internal"},
			"cmd":         {"cmd", "hcl", "plan", "exec", "schema", "internal"},
		}
		for _, layer := range []string{"internal", "schema/diag", "schema", "hcl", "plan", "exec", "cmd"} {
			if below(pkg, layer) {
				if !slices.ContainsFunc(layers[layer], func(d string) bool { return below(ours, d) }) {
					return "the layer below is " + strings.Join(layers[layer], ", ")
				}
				if below(pkg, "exec") && below(ours, "exec") && !slices.Contains(executor[pkg], ours) {
					return "of the executor it may import " + strings.Join(executor[pkg], ", ")
				}
				return ""
			}
		}
		return "the package is in no layer"
	case (pkg == "schema/diag" || below(pkg, "internal")) && strings.Contains(strings.SplitN(imp, "/", 2)[0], "."):
		return "standard library only"
	case strings.HasPrefix(imp, "github.com/hashicorp/hcl") || strings.HasPrefix(imp, "github.com/zclconf/"):
		if pkg != "hcl" {
			return "only hcl may"
		}
	case strings.HasPrefix(imp, "github.com/moby/buildkit/"):
		parsers := []string{"parser", "instructions", "linter", "shell", "command"}
		parser, ok := strings.CutPrefix(imp, "github.com/moby/buildkit/frontend/dockerfile/")
		if pkg == "plan/dockerfile" && ok && slices.Contains(parsers, parser) {
			return ""
		}
		if !below(pkg, "exec/buildkit") && !below(pkg, "exec/embedded") {
			return "only exec/buildkit, exec/embedded and, for the parser, plan/dockerfile may"
		}
	}
	return ""
}

// ourImports asks the go command what each package of the module imports, on linux.
func ourImports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../../.."
	cmd.Env = append(cmd.Environ(), "GOOS=linux")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := map[string][]string{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			return imports
		} else if err != nil {
			t.Fatal(err)
		}
		imports[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
}
