package hcl

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/tonistiigi/go-csvvalue"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// textOverride is what --var or the environment says of a variable.
type textOverride struct {
	text   string
	given  bool
	json   bool   // it comes from NAME_JSON
	source string // "environment" or "--var"
}

// where names the override in a sentence.
func (o textOverride) where(name string) string {
	if o.json {
		name += "_JSON"
	}
	if o.source == "--var" {
		return "--var " + name
	}
	return "the environment variable " + name
}

// value reads the override in the type of the variable, or in that of its default if it has no type. def is cty.NilVal
// if there is no default.
func (o textOverride) value(name string, def cty.Value, typ cty.Type, typed bool) (cty.Value, error) {
	switch {
	case typed && o.json:
		v, err := ctyjson.Unmarshal([]byte(o.text), typ)
		if err != nil {
			return v, fmt.Errorf("it is not JSON for %s: %v", article(typ.FriendlyName()), err)
		}
		return v, nil
	case typ.IsListType(), typ.IsSetType(), typ.IsTupleType(), typ.IsMapType():
		return fromCSV(o.text, typ)
	case typed && typ.IsPrimitiveType():
		return fromWord(o.text, typ)
	case typed:
		return def, fmt.Errorf("only %s_JSON can set %s", name, article(typ.FriendlyName()))
	case def == cty.NilVal, def.Type() == cty.DynamicPseudoType:
		return cty.StringVal(o.text), nil
	case def.Type().IsPrimitiveType():
		return fromWord(o.text, def.Type())
	}
	return def, fmt.Errorf("text cannot replace %s; give the variable a type", typeName(def.Type()))
}

// fromWord reads a string, number or bool.
func fromWord(s string, typ cty.Type) (cty.Value, error) {
	switch typ {
	case cty.String:
		return cty.StringVal(s), nil
	case cty.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%q is neither true nor false", s)
		}
		return cty.BoolVal(b), nil
	case cty.Number:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return cty.NilVal, fmt.Errorf("%q is not a number", s)
		}
		return cty.NumberVal(big.NewFloat(n)), nil
	}
	return cty.NilVal, fmt.Errorf("%s cannot be written as text", article(typ.FriendlyName()))
}

// fromCSV reads a list, a set, a tuple, or a map of key:value, of primitives.
func fromCSV(s string, typ cty.Type) (cty.Value, error) {
	fields, err := csvvalue.Fields(s, nil)
	if err != nil {
		return cty.NilVal, errors.New("it is not a comma-separated list")
	}
	if typ.IsMapType() {
		return mapFromCSV(fields, typ.ElementType())
	}
	if typ.IsTupleType() && len(fields) != typ.Length() {
		return cty.NilVal, fmt.Errorf("it has %d elements where %d are wanted", len(fields), typ.Length())
	}
	var out []cty.Value
	for i, f := range fields {
		e := cty.DynamicPseudoType
		if typ.IsTupleType() {
			e = typ.TupleElementType(i)
		} else {
			e = typ.ElementType()
		}
		v, err := fromWord(f, e)
		if err != nil {
			return cty.NilVal, err
		}
		out = append(out, v)
	}
	switch {
	case typ.IsListType():
		return cty.ListVal(out), nil
	case typ.IsSetType():
		return cty.SetVal(out), nil
	}
	return cty.TupleVal(out), nil
}

func mapFromCSV(fields []string, elem cty.Type) (cty.Value, error) {
	if !elem.IsPrimitiveType() {
		return cty.NilVal, fmt.Errorf("%s cannot be written as text", article(elem.FriendlyName()))
	}
	out := map[string]cty.Value{}
	p := csvvalue.Parser{Comma: ':'}
	for _, f := range fields {
		kv, err := p.Fields(f, nil)
		if err != nil || len(kv) != 2 {
			return cty.NilVal, fmt.Errorf("%q is not key:value", f)
		}
		v, err := fromWord(kv[1], elem)
		if err != nil {
			return cty.NilVal, err
		}
		out[kv[0]] = v
	}
	return cty.MapVal(out), nil
}
