package hcl

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/xbuild/xbuild/schema/diag"
)

// functionsFor is every function that an expression in a file can call: those of the language, over them those of the
// build file. Paths in arguments are relative to the file that holds the call.
func (l *loader) functionsFor(f *File) map[string]function.Function {
	if fs := l.inFile[f]; fs != nil {
		return fs
	}
	fs := maps.Clone(l.functions)
	maps.Copy(fs, boundedAll(fileFunctions(l.env, f.dir()), madeOf(l.functions)))
	l.inFile[f] = fs
	for name, b := range l.funcs {
		if fn, ok := l.userFunction(b); ok {
			fs[name] = fn
		}
	}
	return fs
}

// params reads the parameters of a function of the build file.
func (l *loader) params(b *block) (names []string, variadic string, ok bool) {
	bad := func(a *attribute, at diag.Range, detail string) ([]string, string, bool) {
		l.errorf(codeBadFunction, at, "Bad function", "Write params = [NAME, ...].", "%s", detail)
		return nil, "", false
	}
	a := b.attrs["params"]
	if a == nil {
		return nil, "", false // reported where the block was decoded
	}
	exprs, ds := hhcl.ExprList(a.expr)
	if ds.HasErrors() {
		return bad(a, a.file.rng(a.expr.Range()), "The parameters of a function must be a list of plain names.")
	}
	seen := map[string]bool{}
	for _, e := range exprs {
		word := hhcl.ExprAsKeyword(e)
		if word == "" || seen[word] {
			return bad(a, a.file.rng(e.Range()), "A parameter of a function must be a plain name, each another one.")
		}
		seen[word] = true
		names = append(names, word)
	}
	if v := b.attrs["variadic_params"]; v != nil {
		if variadic = hhcl.ExprAsKeyword(v.expr); variadic == "" || seen[variadic] {
			return bad(v, v.file.rng(v.expr.Range()), "The list of further arguments must be a plain name, and none of the parameters.")
		}
	}
	return names, variadic, true
}

// userFunction makes a function of the build file callable.
func (l *loader) userFunction(b *block) (function.Function, bool) {
	result := b.attrs["result"]
	names, variadic, ok := l.params(b)
	if !ok || result == nil {
		return function.Function{}, false
	}
	param := func(name string) function.Parameter {
		return function.Parameter{Name: name, Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true}
	}
	spec := &function.Spec{}
	for _, n := range names {
		spec.Params = append(spec.Params, param(n))
	}
	if variadic != "" {
		p := param(variadic)
		spec.VarParam = &p
	}
	call := func(args []cty.Value) (cty.Value, error) {
		vars := map[string]cty.Value{}
		for i, n := range names {
			vars[n] = args[i]
		}
		if variadic != "" {
			vars[variadic] = cty.TupleVal(args[len(names):])
		}
		return l.callUser(b, result, vars)
	}
	spec.Type = function.StaticReturnType(cty.DynamicPseudoType) // what it really is takes a call to know
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) { return call(args) }
	return bounded(b.name, function.New(spec), madeOf(l.functions)), true
}

// callUser computes one call. What is wrong inside is reported where it is wrong; the error is for the place of the call.
func (l *loader) callUser(b *block, result *attribute, vars map[string]cty.Value) (cty.Value, error) {
	for i, c := range l.calling {
		if c == b {
			var words []string
			for _, c := range append(l.calling[i:], b) {
				words = append(words, c.name)
			}
			return cty.DynamicVal, fmt.Errorf("functions need each other in a circle: %s", strings.Join(words, " calls "))
		}
	}
	l.calling = append(l.calling, b)
	defer func() { l.calling = l.calling[:len(l.calling)-1] }()
	// An error that depends on the arguments belongs to the call, which may stand inside try().
	ctx := &hhcl.EvalContext{Variables: map[string]cty.Value{}, Functions: l.functionsFor(result.file)}
	refs := result.expr.Variables()
	for _, root := range rootsOf(refs) {
		v, ok := l.root(root, refs, place{file: result.file, what: fmt.Sprintf("the function %q", b.name), vars: vars})
		if !ok {
			return cty.DynamicVal, errors.New("the function itself is wrong")
		}
		ctx.Variables[root] = v
	}
	v, ds := evaluate(result.expr, ctx)
	if ds.HasErrors() {
		at := result.file.rng(result.expr.Range())
		if s := ds[0].Subject; s != nil {
			at = result.file.rng(*s)
		}
		return cty.DynamicVal, fmt.Errorf("%s (in the function, at %s)", strings.TrimSuffix(ds[0].Detail, "."), at)
	}
	return v, nil
}

// checkFunctions reports what is wrong with functions that nothing calls, too.
func (l *loader) checkFunctions() {
	for _, b := range l.blocks {
		if b.typ.Name == "function" {
			l.params(b)
		}
	}
}
