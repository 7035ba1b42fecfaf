// Package peerenv compares the environment variables that docker buildx reads with those that xbuild has an answer to.
package peerenv

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// buildx is the module that e2e/peer pins.
const buildx = "github.com/docker/buildx/"

// TestEnvironment: every environment variable that buildx reads where it reads build files and builds has a verdict, and there is no
// verdict on one that it does not read any more.
func TestEnvironment(t *testing.T) {
	var patterns []string
	for _, p := range []string{"bake", "build", "builder", "commands", "util/confutil", "policy"} {
		patterns = append(patterns, buildx+p)
	}
	pkgs, err := packages.Load(&packages.Config{Dir: "../peer", Mode: packages.LoadSyntax, Env: nil}, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]string{}
	for _, p := range pkgs {
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, e)
		}
		maps.Copy(read, reads(p))
	}
	if len(read) < 20 {
		t.Fatalf("only %d reads of the environment are found", len(read))
	}
	for _, name := range slices.Sorted(maps.Keys(read)) {
		if verdicts[name] == (verdict{}) {
			t.Errorf("%s reads %s, on which there is no verdict", read[name], name)
		}
	}
	for name, v := range verdicts {
		if read[name] == "" {
			t.Errorf("buildx does not read %s any more", name)
		}
		if v.why == "" && v.is != honoured {
			t.Errorf("%s is %s; why?", name, v.is)
		}
	}
}

// reads are the variables that a package reads, with a place for each. Where the name is not known here, it is the place in the
// form "? PACKAGE.FUNCTION".
func reads(p *packages.Package) map[string]string {
	out := map[string]string{}
	for _, f := range p.Syntax {
		function := ""
		ast.Inspect(f, func(n ast.Node) bool {
			if d, ok := n.(*ast.FuncDecl); ok {
				function = d.Name.Name
			}
			sel, ok := n.(*ast.SelectorExpr)
			if ok && isOS(p.TypesInfo.Uses[sel.Sel], "Environ", "ExpandEnv") {
				out[unknown(p, function)] = place(p, n)
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || !isOS(p.TypesInfo.Uses[sel.Sel], "Getenv", "LookupEnv") {
				return true
			}
			if v := p.TypesInfo.Types[call.Args[0]].Value; v != nil {
				out[constant.StringVal(v)] = place(p, n)
			} else {
				out[unknown(p, function)] = place(p, n)
			}
			return true
		})
	}
	return out
}

func isOS(o types.Object, names ...string) bool {
	return o != nil && o.Pkg() != nil && o.Pkg().Path() == "os" && slices.Contains(names, o.Name())
}

func unknown(p *packages.Package, function string) string {
	return fmt.Sprintf("? %s.%s", strings.TrimPrefix(p.PkgPath, buildx), function)
}

func place(p *packages.Package, n ast.Node) string {
	at := p.Fset.Position(n.Pos())
	return fmt.Sprintf("%s/%s:%d", strings.TrimPrefix(p.PkgPath, buildx), filepath.Base(at.Filename), at.Line)
}
