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
)

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
