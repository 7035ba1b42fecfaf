package cli

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestConfigIsNotChanged: what hcl.Load returns is read by everybody and changed by nobody. No statement of the planner, the
// executor or the commands writes to anything that is reached through a pointer, slice or map of a schema type.
func TestConfigIsNotChanged(t *testing.T) {
	found := configWrites(t, "../../..", "./cmd/...", "./plan/...", "./exec/...")
	// Copies: of the targets that get an output or credentials, and of the attributes of a cache.
	allowed := []string{"plan.withDefaultOutput: out.Targets[i]", "cli.withGitCredentials: c.PerPlatform[q]"}
	for _, w := range found {
		if !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasSuffix(w, " "+a) }) {
			t.Errorf("%s is written to: a schema.Config is not changed after hcl.Load; work on a copy", w)
		}
	}
	if len(found) == 0 {
		t.Error("no write was found, also not one of those that are allowed: the test looks at nothing")
	}
}

// configWrites lists the writes, as "FILE:LINE PACKAGE.FUNCTION: EXPRESSION".
func configWrites(t *testing.T, dir string, patterns ...string) []string {
	t.Helper()
	pkgs, err := packages.Load(&packages.Config{Dir: dir, Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports}, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range pkgs {
		if len(p.Errors) > 0 {
			t.Fatalf("%s: %v", p.PkgPath, p.Errors[0])
		}
		for _, f := range p.Syntax {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Body == nil {
					continue
				}
				ast.Inspect(fn.Body, func(n ast.Node) bool {
					for _, e := range written(p.TypesInfo, n) {
						if throughSchema(p.TypesInfo, e) {
							pos := p.Fset.Position(e.Pos())
							out = append(out, fmt.Sprintf("%s:%d %s.%s: %s", pos.Filename, pos.Line, p.Name, fn.Name.Name, types.ExprString(e)))
						}
					}
					return true
				})
			}
		}
	}
	return out
}

// written are the expressions that a node changes: the left sides of assignments, and what functions are given that change
// their first argument. An element of the latter stands for all of it.
func written(info *types.Info, n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.CallExpr:
		if len(n.Args) == 0 {
			return nil
		}
		name := types.ExprString(n.Fun)
		inPlace := []string{"delete", "clear", "copy", "maps.Copy", "maps.DeleteFunc", "maps.Insert", "slices.Sort", "slices.SortFunc", "slices.SortStableFunc", "slices.Reverse",
			"slices.Delete", "slices.DeleteFunc", "slices.Compact", "slices.CompactFunc", "slices.Insert", "slices.Replace", "sort.Strings", "sort.Slice", "sort.Sort"}
		if slices.Contains(inPlace, name) {
			return []ast.Expr{&ast.IndexExpr{X: n.Args[0], Index: n.Args[0]}}
		}
	}
	return nil
}

// throughSchema reports whether an expression names memory that a schema type shares: on the way to it there is a field of
// one of its types, and a pointer, slice or map is followed.
func throughSchema(info *types.Info, e ast.Expr) bool {
	ours, shared := false, false
	for {
		switch x := e.(type) {
		case *ast.SelectorExpr:
			t := info.TypeOf(x.X)
			if t == nil {
				return false // of a package
			}
			if p, ok := t.Underlying().(*types.Pointer); ok {
				t, shared = p.Elem(), true
			}
			ours = ours || configType(t)
			e = x.X
		case *ast.IndexExpr:
			if t := info.TypeOf(x.X); t != nil {
				switch t.Underlying().(type) {
				case *types.Slice, *types.Map, *types.Pointer:
					shared = true
				}
			}
			e = x.X
		case *ast.StarExpr:
			shared, e = true, x.X
			if t := info.TypeOf(x); t != nil {
				ours = ours || configType(t)
			}
		case *ast.ParenExpr:
			e = x.X
		default:
			return ours && shared
		}
	}
}

// configType reports whether a type is part of a schema.Config.
func configType(t types.Type) bool {
	n, ok := t.(*types.Named)
	parts := []string{"Config", "Group", "Variable", "Target", "Build", "Output", "Cache", "Secret", "SSH", "Attest", "Policy", "StrategyBlock"}
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == module+"schema" && slices.Contains(parts, n.Obj().Name())
}
