package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/xbuild/xbuild/schema"
)

// Function describes a function of the language.
type Function struct {
	Name string
	// Signature is how it is called, with the types of its arguments and of what it gives.
	Signature string
	Doc       string
	In        schema.Dialect // which files can call it
}

// Functions are the functions of the language by name.
func Functions() []Function {
	all, own := functionsOf(Env{}), fileFunctions(Env{}, "")
	delete(all, madeName)
	in := map[string]schema.Dialect{}
	for name, f := range own {
		all[name], in[name] = f, schema.XbuildDialect
	}
	var out []Function
	for _, name := range sortedKeys(all) {
		doc, ok := functionDocs[name]
		if !ok {
			doc = all[name].Description()
		}
		out = append(out, Function{name, signature(name, all[name]), doc, in[name]})
	}
	return out
}

// signature writes NAME(ARG TYPE, REST TYPE...) TYPE. A type that depends on the arguments is "any".
func signature(name string, f function.Function) string {
	var parts []string
	var types []cty.Type
	param := func(p function.Parameter, suffix string) {
		parts = append(parts, p.Name+" "+typeWord(p.Type)+suffix)
		types = append(types, p.Type)
	}
	for _, p := range f.Params() {
		param(p, "")
	}
	if v := f.VarParam(); v != nil {
		param(*v, "...")
	}
	result := cty.DynamicPseudoType
	if t, err := f.ReturnType(types); err == nil {
		result = t
	}
	return name + "(" + strings.Join(parts, ", ") + ") " + typeWord(result)
}

// typeWord is a type as a build file writes it.
func typeWord(t cty.Type) string {
	switch {
	case t == customdecode.ExpressionClosureType:
		return "expression"
	case t == typeexpr.TypeConstraintType:
		return "type"
	case t == cty.DynamicPseudoType:
		return "any"
	case t.IsListType():
		return "list(" + typeWord(t.ElementType()) + ")"
	case t.IsSetType():
		return "set(" + typeWord(t.ElementType()) + ")"
	case t.IsMapType():
		return "map(" + typeWord(t.ElementType()) + ")"
	case t.IsObjectType():
		return "object"
	case t.IsTupleType():
		return "tuple"
	}
	return t.FriendlyName()
}
