package hcl

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// bakeValue is what an attribute of a Bake target says, in the type that the table gives it. A nil *bakeValue is null.
// Values are never written after they are made: merging and --set make new ones.
type bakeValue struct {
	text    string             // of a string
	flag    bool               // of a bool
	list    []string           // of a list of strings
	keys    map[string]*string // of a map; nil where the value is null
	entries []bakeEntry        // of a list of entries

	at *diag.Range // where it is said; nil if nowhere

	base   *bakeBase            // of context
	bases  map[string]*bakeBase // of contexts
	sayRef string               // of context: the target whose context it repeats, for file-relative paths
}

// where is the place that says the value; the zero value if there is none.
func (v *bakeValue) where() diag.Range {
	if v.at == nil {
		return diag.Range{}
	}
	return *v.at
}

// bakeEntry is one element of a list such as output or secret: its fields by name. ssh has its paths in a list.
type bakeEntry struct {
	fields map[string]string
	paths  []string
	files  []string // of a policy
}

// toBake converts an evaluated expression. It gives nil for a null that means "say nothing".
func toBake(spec *schema.Attribute, v cty.Value) (*bakeValue, error) {
	if !v.IsWhollyKnown() {
		return nil, errors.New("its value is not known")
	}
	switch spec.Type {
	case schema.TypeString, schema.TypeBool:
		return scalarToBake(spec, v)
	case schema.TypeStringList:
		return listToBake(v)
	case schema.TypeStringMap:
		return mapToBake(spec, v)
	case schema.TypeResources:
		return resourcesToBake(v)
	}
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() {
		if v.IsNull() {
			return nil, errors.New("null is not allowed")
		}
		return nil, fmt.Errorf("a list is wanted, and it is %s", typeName(t))
	}
	if v.IsNull() {
		return nil, errors.New("null is not allowed")
	}
	out := &bakeValue{entries: []bakeEntry{}}
	for _, e := range v.AsValueSlice() {
		if e.Type() == cty.String && !e.IsNull() && e.AsString() == "" {
			continue
		}
		es, err := entryToBake(spec.Type, e)
		if err != nil {
			return nil, err
		}
		out.entries = append(out.entries, es...)
	}
	return out, nil
}

func scalarToBake(spec *schema.Attribute, v cty.Value) (*bakeValue, error) {
	want := cty.String
	if spec.Type == schema.TypeBool {
		want = cty.Bool
	}
	c, err := convert.Convert(v, want)
	if err != nil {
		return nil, err
	}
	switch {
	case c.IsNull() && spec.Name == "description":
		return nil, errors.New("null is not allowed")
	case c.IsNull():
		return nil, nil
	case want == cty.Bool:
		return &bakeValue{flag: c.True()}, nil
	}
	return &bakeValue{text: c.AsString()}, nil
}

func listToBake(v cty.Value) (*bakeValue, error) {
	if !v.Type().IsTupleType() || v.IsNull() {
		var err error
		if v, err = convert.Convert(v, cty.List(cty.String)); err != nil {
			return nil, err
		}
	}
	if v.IsNull() {
		return nil, nil
	}
	out := &bakeValue{list: []string{}}
	// A tuple is converted element by element: as a whole it takes time that grows with the square of its length.
	for _, e := range v.AsValueSlice() {
		e, err := convert.Convert(e, cty.String)
		if err != nil {
			return nil, err
		}
		if e.IsNull() {
			return nil, errors.New("a list cannot hold null")
		}
		out.list = append(out.list, e.AsString())
	}
	return out, nil
}

func mapToBake(spec *schema.Attribute, v cty.Value) (*bakeValue, error) {
	if !v.Type().IsObjectType() || v.IsNull() || !flat(v.Type()) {
		var err error
		if v, err = convert.Convert(v, cty.Map(cty.String)); err != nil {
			return nil, err
		}
	}
	if v.IsNull() {
		return nil, nil
	}
	out := &bakeValue{keys: make(map[string]*string, v.LengthInt())}
	// An object is converted field by field, which is several times cheaper than as a whole.
	for k, e := range v.AsValueMap() {
		e, err := convert.Convert(e, cty.String)
		switch {
		case err != nil:
			return nil, err
		case !e.IsNull():
			s := e.AsString()
			out.keys[k] = &s
		case spec.PathBase != schema.PathNone: // of a path, Bake does not take null for "say nothing"
			return nil, fmt.Errorf("%q is null", k)
		default:
			out.keys[k] = nil
		}
	}
	return out, nil
}

// flat reports whether all fields of an object type are strings, numbers or bools.
func flat(object cty.Type) bool {
	for _, t := range object.AttributeTypes() {
		if !t.IsPrimitiveType() {
			return false
		}
	}
	return true
}

// resourceKeys are the fields of resources in the order of Bake's JSON; those of numbers are true.
var resourceKeys = []struct {
	name   string
	number bool
}{{"memory", false}, {"memory-swap", false}, {"cpu-shares", true}, {"cpu-period", true}, {"cpu-quota", true}, {"cpuset-cpus", false}, {"cpuset-mems", false}}

func resourcesType() cty.Type {
	types := map[string]cty.Type{}
	var names []string
	for _, k := range resourceKeys {
		types[k.name] = cty.String
		if k.number {
			types[k.name] = cty.Number
		}
		names = append(names, k.name)
	}
	return cty.ObjectWithOptionalAttrs(types, names)
}

func resourcesToBake(v cty.Value) (*bakeValue, error) {
	if v.IsNull() {
		return nil, errors.New("null is not allowed")
	}
	c, err := convert.Convert(v, resourcesType())
	if err != nil {
		return nil, err
	}
	out := &bakeValue{keys: map[string]*string{}}
	for _, k := range resourceKeys {
		f := c.GetAttr(k.name)
		if f.IsNull() {
			continue
		}
		s, _ := primitive(f)
		if k.number {
			if n, acc := f.AsBigFloat().Int64(); acc != 0 {
				return nil, fmt.Errorf("%s must be a whole number", k.name)
			} else {
				s = strconv.FormatInt(n, 10)
			}
		}
		out.keys[k.name] = &s
	}
	return out, nil
}

// bakeCty is a value as expressions see it.
func bakeCty(spec *schema.Attribute, v *bakeValue) cty.Value {
	switch spec.Type {
	case schema.TypeString:
		return textValue(v, spec.Name == "description")
	case schema.TypeBool:
		if v == nil {
			return cty.NullVal(cty.Bool)
		}
		return cty.BoolVal(v.flag)
	case schema.TypeStringList:
		return listValue(v)
	case schema.TypeStringMap:
		return mapValue(v)
	case schema.TypeResources:
		return resourcesValue(v)
	}
	return entriesValue(spec.Type, v)
}

func textValue(v *bakeValue, emptyIfUnset bool) cty.Value {
	switch {
	case v != nil:
		return cty.StringVal(v.text)
	case emptyIfUnset:
		return cty.StringVal("")
	}
	return cty.NullVal(cty.String)
}

func listValue(v *bakeValue) cty.Value {
	if v == nil {
		return cty.NullVal(cty.List(cty.String))
	}
	return stringList(v.list)
}

func mapValue(v *bakeValue) cty.Value {
	if v == nil {
		return cty.NullVal(cty.Map(cty.String))
	}
	if len(v.keys) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	out := map[string]cty.Value{}
	for k, s := range v.keys {
		if out[k] = cty.NullVal(cty.String); s != nil {
			out[k] = cty.StringVal(*s)
		}
	}
	return cty.MapVal(out)
}

func resourcesValue(v *bakeValue) cty.Value {
	out := map[string]cty.Value{}
	types := map[string]cty.Type{}
	for _, k := range resourceKeys {
		types[k.name] = cty.String
		if k.number {
			types[k.name] = cty.Number
		}
		out[k.name] = cty.NullVal(types[k.name])
		if v != nil && v.keys[k.name] != nil {
			out[k.name], _ = convert.Convert(cty.StringVal(*v.keys[k.name]), types[k.name])
		}
	}
	if v == nil {
		return cty.NullVal(cty.Object(types))
	}
	return cty.ObjectVal(out)
}

func entriesValue(typ schema.ValueType, v *bakeValue) cty.Value {
	elem := cty.Map(cty.String)
	switch typ {
	case schema.TypeSecretList:
		elem = cty.Object(map[string]cty.Type{"id": cty.String, "src": cty.String, "env": cty.String})
	case schema.TypeSSHList:
		elem = cty.Object(map[string]cty.Type{"id": cty.String, "paths": cty.List(cty.String)})
	}
	if v == nil || len(v.entries) == 0 {
		return cty.ListValEmpty(elem)
	}
	var out []cty.Value
	for _, e := range v.entries {
		f := map[string]cty.Value{}
		for k, s := range e.fields {
			f[k] = cty.StringVal(s)
		}
		switch {
		case typ == schema.TypeSSHList:
			out = append(out, cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(e.fields["id"]), "paths": stringList(e.paths)}))
			continue
		case typ == schema.TypeSecretList:
			for _, k := range []string{"id", "src", "env"} {
				f[k] = cty.StringVal(e.fields[k])
			}
			out = append(out, cty.ObjectVal(f))
			continue
		case typ == schema.TypeOutputList:
			f["dest"] = cty.StringVal(e.fields["dest"])
		case typ == schema.TypeAttestList:
			f["type"] = cty.StringVal(e.fields["type"])
		case typ == schema.TypePolicyList && len(e.files) > 0:
			f["filename"] = cty.StringVal(e.files[0])
		}
		if len(f) == 0 {
			out = append(out, cty.MapValEmpty(cty.String))
			continue
		}
		out = append(out, cty.MapVal(f))
	}
	return cty.ListVal(out)
}
