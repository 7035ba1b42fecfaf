package hcl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tonistiigi/go-csvvalue"
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

	at, nameAt diag.Range

	base   *bakeBase            // of context
	bases  map[string]*bakeBase // of contexts
	sayRef string               // of context: the target whose context it repeats, for file-relative paths
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
	c, err := convert.Convert(v, cty.List(cty.String))
	if err != nil {
		return nil, err
	}
	if c.IsNull() {
		return nil, nil
	}
	out := &bakeValue{list: []string{}}
	for _, e := range c.AsValueSlice() {
		if e.IsNull() {
			return nil, errors.New("a list cannot hold null")
		}
		out.list = append(out.list, e.AsString())
	}
	return out, nil
}

func mapToBake(spec *schema.Attribute, v cty.Value) (*bakeValue, error) {
	c, err := convert.Convert(v, cty.Map(cty.String))
	if err != nil {
		return nil, err
	}
	if c.IsNull() {
		return nil, nil
	}
	out := &bakeValue{keys: map[string]*string{}}
	for k, e := range c.AsValueMap() {
		switch {
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

// entryToBake converts one element of a list of entries: a string, or an object.
func entryToBake(typ schema.ValueType, v cty.Value) ([]bakeEntry, error) {
	if v.IsNull() {
		return nil, errors.New("an element is null")
	}
	if v.Type() == cty.String {
		return parseEntry(typ, v.AsString())
	}
	switch typ {
	case schema.TypeSecretList:
		return secretObject(v)
	case schema.TypeSSHList:
		return sshObject(v)
	case schema.TypePolicyList:
		return policyObject(v)
	}
	c, err := convert.Convert(v, cty.Map(cty.String))
	if err != nil {
		return nil, err
	}
	e := bakeEntry{fields: map[string]string{}}
	for k, f := range c.AsValueMap() {
		if f.IsNull() {
			return nil, fmt.Errorf("the field %q is null; leave it out instead", k)
		}
		e.fields[k] = f.AsString()
	}
	if typ == schema.TypeAttestList {
		return []bakeEntry{e}, fixDisabled(e)
	}
	dropEmpty(typ, e)
	if e.fields["type"] == "" {
		return nil, errors.New("an element has no type")
	}
	return []bakeEntry{e}, nil
}

// dropEmpty removes fields of which an empty value means none.
func dropEmpty(typ schema.ValueType, e bakeEntry) {
	if typ == schema.TypeOutputList && e.fields["dest"] == "" {
		delete(e.fields, "dest")
	}
}

// fixDisabled brings the field disabled of an attestation into its normal form: "true", or not there.
func fixDisabled(e bakeEntry) error {
	s, ok := e.fields["disabled"]
	if !ok {
		return nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("disabled must be true or false, not %q", s)
	}
	if e.fields["disabled"] = "true"; !b {
		delete(e.fields, "disabled")
	}
	return nil
}

func optionalStrings(names ...string) cty.Type {
	types := map[string]cty.Type{}
	for _, n := range names {
		types[n] = cty.String
	}
	return cty.ObjectWithOptionalAttrs(types, names)
}

func secretObject(v cty.Value) ([]bakeEntry, error) {
	c, err := convert.Convert(v, optionalStrings("id", "src", "env"))
	if err != nil {
		return nil, err
	}
	e := bakeEntry{fields: map[string]string{}}
	for _, k := range []string{"id", "src", "env"} {
		if f := c.GetAttr(k); !f.IsNull() && f.AsString() != "" {
			e.fields[k] = f.AsString()
		}
	}
	return []bakeEntry{e}, nil
}

func sshObject(v cty.Value) ([]bakeEntry, error) {
	c, err := convert.Convert(v, cty.ObjectWithOptionalAttrs(map[string]cty.Type{"id": cty.String, "paths": cty.List(cty.String)}, []string{"id", "paths"}))
	if err != nil {
		return nil, err
	}
	e := bakeEntry{fields: map[string]string{}}
	if id := c.GetAttr("id"); !id.IsNull() && id.AsString() != "" {
		e.fields["id"] = id.AsString()
	}
	if ps := c.GetAttr("paths"); !ps.IsNull() {
		for _, p := range ps.AsValueSlice() {
			if p.IsNull() {
				return nil, errors.New("a path is null")
			}
			e.paths = append(e.paths, p.AsString())
		}
	}
	return []bakeEntry{e}, nil
}

func policyObject(v cty.Value) ([]bakeEntry, error) {
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		return nil, fmt.Errorf("an element must be a string or an object, and it is %s", typeName(t))
	}
	var fields []string
	vals := v.AsValueMap()
	for _, k := range sortedKeys(vals) {
		f := vals[k]
		if f.IsNull() {
			continue
		}
		s, ok := primitive(f)
		if !ok {
			return nil, fmt.Errorf("the field %q must be a string", k)
		}
		if s != "" {
			fields = append(fields, k+"="+s)
		}
	}
	return policyFields(fields)
}

// parseEntry reads the CSV form of one element, which for caches may stand for several.
func parseEntry(typ schema.ValueType, s string) ([]bakeEntry, error) {
	if typ == schema.TypeSSHList { // not CSV: ID=PATH,PATH
		id, paths, given := strings.Cut(s, "=")
		e := bakeEntry{fields: map[string]string{}}
		if id != "" {
			e.fields["id"] = id
		}
		if given {
			e.paths = strings.Split(paths, ",")
		}
		return []bakeEntry{e}, nil
	}
	fields, err := csvvalue.Fields(s, nil)
	if err != nil {
		return nil, fmt.Errorf("%q is not a comma-separated list", s)
	}
	switch typ {
	case schema.TypePolicyList:
		return policyFields(fields)
	case schema.TypeCacheList:
		if !strings.Contains(s, "=") {
			var out []bakeEntry
			for _, ref := range fields {
				out = append(out, bakeEntry{fields: map[string]string{"type": "registry", "ref": ref}})
			}
			return out, nil
		}
		if len(fields) == 1 && !strings.Contains(fields[0], "=") {
			return []bakeEntry{{fields: map[string]string{"type": "registry", "ref": fields[0]}}}, nil
		}
	case schema.TypeOutputList:
		if len(fields) == 1 && fields[0] == s && !strings.HasPrefix(s, "type=") {
			if s == "-" {
				return []bakeEntry{{fields: map[string]string{"type": "tar", "dest": "-"}}}, nil
			}
			return []bakeEntry{{fields: map[string]string{"type": "local", "dest": s}}}, nil
		}
	}
	return keyedEntry(typ, s, fields)
}

// keyedEntry reads the fields KEY=VALUE of one element.
func keyedEntry(typ schema.ValueType, s string, fields []string) ([]bakeEntry, error) {
	e := bakeEntry{fields: map[string]string{}}
	secretType := ""
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not KEY=VALUE", f)
		}
		low := strings.ToLower(k)
		switch typ {
		case schema.TypeOutputList:
			k = strings.TrimSpace(low)
		case schema.TypeCacheList:
			k = low
		case schema.TypeAttestList: // other keys keep their spelling
			if t := strings.TrimSpace(low); t == "type" || t == "disabled" {
				k = t
			}
		case schema.TypeSecretList:
			switch low {
			case "type":
				if secretType = v; v != "file" && v != "env" {
					return nil, fmt.Errorf("the secret type %q is neither file nor env", v)
				}
				continue
			case "source":
				low = "src"
			case "id", "src", "env":
			default:
				return nil, fmt.Errorf("a secret has no field %q; it has id, src, env and type", k)
			}
			k = low
		}
		e.fields[k] = v
	}
	if typ == schema.TypeSecretList {
		if secretType == "env" && e.fields["env"] == "" {
			e.fields["env"] = e.fields["src"]
			delete(e.fields, "src")
		}
		maps.DeleteFunc(e.fields, func(_, v string) bool { return v == "" })
		return []bakeEntry{e}, nil
	}
	dropEmpty(typ, e)
	if typ == schema.TypeAttestList {
		if err := fixDisabled(e); err != nil {
			return nil, err
		}
	}
	if e.fields["type"] == "" {
		return nil, fmt.Errorf("%q has no type", s)
	}
	return []bakeEntry{e}, nil
}

// logLevels are the words for the level of a policy, with the one that stands for each.
var logLevels = map[string]string{"panic": "panic", "fatal": "fatal", "error": "error", "warn": "warning", "warning": "warning", "info": "info", "debug": "debug", "trace": "trace"}

func policyFields(fields []string) ([]bakeEntry, error) {
	e := bakeEntry{fields: map[string]string{}}
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not KEY=VALUE", f)
		}
		switch k = strings.TrimSpace(strings.ToLower(k)); k {
		case "filename":
			if v == "" {
				return nil, errors.New("the filename of a policy is empty")
			}
			e.files = append(e.files, v)
		case "reset", "disabled", "strict":
			b, err := strconv.ParseBool(v)
			if err != nil {
				return nil, fmt.Errorf("%s must be true or false, not %q", k, v)
			}
			e.fields[k] = strconv.FormatBool(b)
		case "log-level":
			level, ok := logLevels[strings.ToLower(v)]
			if !ok {
				return nil, fmt.Errorf("%q is not a log level", v)
			}
			e.fields[k] = level
		default:
			return nil, fmt.Errorf("a policy has no field %q", k)
		}
	}
	return []bakeEntry{e}, nil
}

func (e bakeEntry) equal(o bakeEntry) bool {
	return maps.Equal(e.fields, o.fields) && slices.Equal(e.paths, o.paths) && slices.Equal(e.files, o.files)
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
