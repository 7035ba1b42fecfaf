package hcl

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Function describes a function of the language.
type Function struct {
	Name string
	// Signature is how it is called, with the types of its arguments and of what it gives.
	Signature string
	Doc       string
}

// Functions are the functions of the language by name.
func Functions() []Function {
	all := functionsOf(Env{})
	var out []Function
	for _, name := range sortedKeys(all) {
		f := all[name]
		out = append(out, Function{name, signature(name, f), strings.TrimSpace(f.Description())})
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
