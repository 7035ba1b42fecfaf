package reference

import (
	"encoding/json"
	"fmt"

	"github.com/xbuild/xbuild/schema"
)

// object is a JSON object under construction.
type object map[string]any

// JSONSchema is the JSON schema (draft 2020-12) of build files of a dialect in JSON, with a line feed at the end. What it
// rejects, xbuild rejects; it cannot see what strings with templates in them mean. Attributes that the language does not
// have are rejected in xbuild's dialect, and let pass in Bake's, as they are when the files are read.
func JSONSchema(d schema.Dialect) []byte {
	g := schemaOf{dialect: d, defs: object{}}
	body := g.root()
	g.values()
	out := object{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       map[schema.Dialect]string{schema.XbuildDialect: "xbuild.hcl.json", schema.BakeDialect: "docker-bake.json"}[d],
		"description": "A build file of xbuild in JSON: strings are templates, ${...} is an expression.",
		"anyOf":       []any{body, object{"type": "array", "items": body}},
		"$defs":       g.defs,
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil { // only maps, slices and strings inside: cannot happen
		panic(err)
	}
	return append(b, '\n')
}

// schemaOf collects the definitions of one schema.
type schemaOf struct {
	dialect schema.Dialect
	defs    object
}

func ref(name string) object { return object{"$ref": "#/$defs/" + name} }

// root is the top level: blocks, and globals of any name.
func (g schemaOf) root() object {
	props := object{
		"//":      true,
		"$schema": object{"type": "string"},
	}
	for _, b := range schema.Language.Of(g.dialect) {
		g.block(b, "")
		props[b.Name] = labeled(ref(b.Name), b)
	}
	for _, a := range schema.TopLevel {
		if a.Has(g.dialect) {
			props[a.Name] = g.attribute(a)
		}
	}
	if g.dialect == schema.XbuildDialect {
		for _, name := range []string{"strategy", "builder"} { // reserved for blocks to come
			if props[name] == nil {
				props[name] = false
			}
		}
	}
	return object{"type": "object", "properties": props}
}

// labeled is a block with a name: an object with a property for each name, or a list of such.
func labeled(body object, b schema.BlockType) object {
	byName := object{"type": "object", "additionalProperties": object{"anyOf": []any{body, object{"type": "array", "items": body}}}}
	if b.Name != "variable" {
		byName["propertyNames"] = object{"pattern": "^[a-zA-Z0-9_-]+$"}
	}
	return object{"description": b.Doc, "anyOf": []any{byName, object{"type": "array", "items": byName}}}
}

// block defines the body of a block.
func (g schemaOf) block(b schema.BlockType, prefix string) {
	props := object{"//": true}
	var required []string
	for _, a := range b.Attributes {
		props[a.Name] = g.attribute(a)
		if a.Required {
			required = append(required, a.Name)
		}
	}
	for _, inner := range b.Blocks {
		g.block(inner, b.Name+"-")
		body := ref(b.Name + "-" + inner.Name)
		props[inner.Name] = object{"description": inner.Doc, "anyOf": []any{body, object{"type": "array", "items": body}}}
	}
	def := object{"type": "object", "description": b.Doc, "properties": props}
	if g.dialect == schema.XbuildDialect {
		def["additionalProperties"] = false
	}
	if required != nil {
		def["required"] = required
	}
	g.defs[prefix+b.Name] = def
}

// attribute is the value of an attribute.
func (g schemaOf) attribute(a schema.Attribute) object {
	p := ref(valueName(a.Type))
	p["description"] = a.Doc
	var def any
	if a.Default != "" && json.Unmarshal([]byte(a.Default), &def) == nil {
		p["default"] = def
	}
	return p
}

// valueName is the name of the definition of a type.
func valueName(t schema.ValueType) string {
	names := map[schema.ValueType]string{
		schema.TypeString: "string", schema.TypeBool: "bool", schema.TypeStringList: "strings", schema.TypeStringMap: "map",
		schema.TypeOutputList: "entries", schema.TypeCacheList: "entries", schema.TypeSecretList: "entries", schema.TypeSSHList: "ssh",
		schema.TypeAttestList: "entries", schema.TypePolicyList: "entries", schema.TypeResources: "resources", schema.TypeAny: "any",
		schema.TypeMatrix: "matrix", schema.TypeNameList: "names", schema.TypeName: "name", schema.TypeType: "name", schema.TypeExpression: "any",
	}
	name, ok := names[t]
	if !ok {
		panic(fmt.Sprintf("the type %q has no JSON schema", t))
	}
	return "value-" + name
}

// values defines the types.
func (g schemaOf) values() {
	template := object{"type": "string", "pattern": `[$%]\{`}
	scalar := object{"type": []string{"string", "number", "boolean"}}
	perhaps := object{"type": []string{"string", "number", "boolean", "null"}}
	or := func(s ...any) object { return object{"anyOf": append(s, template, object{"type": "null"})} }
	list := func(items any) object { return object{"type": "array", "items": items} }
	fields := object{"type": "object", "additionalProperties": perhaps}
	g.defs["value-any"] = object{}
	g.defs["value-string"] = perhaps
	g.defs["value-bool"] = or(object{"type": "boolean"}, object{"enum": []string{"true", "false", "1", "0"}})
	g.defs["value-strings"] = or(list(scalar))
	g.defs["value-map"] = or(fields)
	g.defs["value-entries"] = or(list(object{"anyOf": []any{object{"type": "string"}, fields}}))
	g.defs["value-ssh"] = or(list(object{"anyOf": []any{object{"type": "string"}, object{"type": "object",
		"properties": object{"id": perhaps, "paths": or(list(object{"type": "string"}))}}}}))
	g.defs["value-resources"] = or(fields)
	g.defs["value-matrix"] = or(object{"type": "object", "additionalProperties": or(list(object{}), object{"type": "object"})})
	g.defs["value-names"] = or(list(object{"type": "string"}))
	g.defs["value-name"] = object{"type": "string"}
}
