package reference_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/cmd/internal/reference"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

func compiled(t *testing.T, d schema.Dialect) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(reference.JSONSchema(d)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///schema", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///schema")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s.Validate(doc)
}

// TestSchemaValues holds the schema against good and bad values, one of each kind.
func TestSchemaValues(t *testing.T) {
	good := []string{
		`{}`, `[{"x": 1}, {"target": {"a": {}}}]`,
		`{"$schema": "x", "//": "comment", "target": {"a": {"//": 1, "args": {"A": "1", "B": 2, "C": true, "D": null}}}}`,
		`{"target": [{"a": {"tags": ["x", "${y}"]}}, {"b": [{"tags": "${concat([], [])}"}, {"no-cache": "true"}]}]}`,
		`{"target": {"a": {"output": ["bin", {"type": "local", "dest": "bin"}], "no-cache": true, "context": null}}}`,
		`{"variable": {"V": {"default": {"a": [1]}}}, "group": {"default": {"targets": ["a"]}}, "global": {"any": ["thing"]}}`,
	}
	bad := []string{
		`{"target": 5}`, `{"target": {"a": 5}}`, `{"target": {"a b": {}}}`, `5`,
		`{"target": {"a": {"tags": "x"}}}`, `{"target": {"a": {"tags": [["x"]]}}}`, `{"target": {"a": {"args": ["A=1"]}}}`,
		`{"target": {"a": {"no-cache": "sometimes"}}}`, `{"target": {"a": {"output": "bin"}}}`, `{"group": {"g": {}}}`,
		`{"target": {"a": {"context": ["."]}}}`,
	}
	for _, d := range []schema.Dialect{schema.XbuildDialect, schema.BakeDialect} {
		s := compiled(t, d)
		for _, text := range good {
			if err := valid(t, s, text); err != nil {
				t.Errorf("%s: %s is refused: %v", d, text, err)
			}
		}
		for _, text := range bad {
			if valid(t, s, text) == nil {
				t.Errorf("%s: %s is let pass", d, text)
			}
		}
	}
	own := []string{`{"target": {"a": {"platfroms": ["linux/amd64"]}}}`, `{"platforms": {"p": {}}}`, `{"platforms": {"p": {"list": []}, "q": {"lst": []}}}`,
		`{"include": 5}`, `{"builder": {}}`, `{"target": {"a": {"matrix": {"x": 1}}}}`}
	for _, text := range own {
		if valid(t, compiled(t, schema.XbuildDialect), text) == nil {
			t.Errorf("%s is let pass", text)
		}
	}
	bake := `{"variable": {"V": {"type": "list(string)", "validation": [{"condition": "${V != \"\"}"}, {"condition": true, "error_message": "no"}]}},
		"function": {"f": {"params": ["a"], "result": "${a}"}},
		"target": {"t": {"matrix": {"x": ["1", "2"]}, "name": "t-${x}", "secret": ["id=a", {"id": "b", "env": "B"}], "ssh": [{"id": "x", "paths": ["p"]}],
			"resources": {"memory": "1g", "cpu-shares": 2}, "unknown": 1, "pull": true}}}`
	if err := valid(t, compiled(t, schema.BakeDialect), bake); err != nil {
		t.Errorf("%s is refused: %v", bake, err)
	}
	if valid(t, compiled(t, schema.BakeDialect), `{"function": {"f": {"params": []}}}`) == nil {
		t.Error("a function without a result is let pass")
	}
}

// TestSchemaAgreesWithTheLoader holds the schema against the front end: what the schema refuses the front end refuses, and
// what the front end calls an unknown attribute the schema refuses.
func TestSchemaAgreesWithTheLoader(t *testing.T) {
	schemas := map[schema.Dialect]*jsonschema.Schema{}
	for _, d := range []schema.Dialect{schema.XbuildDialect, schema.BakeDialect} {
		schemas[d] = compiled(t, d)
	}
	n := 0
	check := func(name, text string) {
		n++
		file, ds := hcl.Parse(name, "/src/"+name, []byte(text))
		if ds.HasErrors() {
			return
		}
		_, ds = hcl.Validate([]*hcl.File{file}, hcl.Env{Dir: "/src"})
		err := valid(t, schemas[hcl.Dialect(name)], text)
		if err != nil && !ds.HasErrors() {
			t.Errorf("%s is good, but the schema refuses it: %v\n%s", name, err, text)
		}
		if err == nil && hasCode(ds, "unknown-attribute") {
			t.Errorf("%s has an unknown attribute, but the schema lets it pass:\n%s", name, text)
		}
	}
	for _, f := range archives(t) {
		if strings.HasSuffix(f.Name, ".json") {
			check(f.Name, string(f.Data))
		}
		if !strings.HasSuffix(f.Name, ".hcl") || hcl.Dialect(f.Name) != schema.BakeDialect {
			continue
		}
		// What print gives is a build file too.
		if file, ds := hcl.Parse(f.Name, "/src/"+f.Name, f.Data); !ds.HasErrors() {
			cfg, _ := hcl.List([]*hcl.File{file}, hcl.Env{Dir: "/src"})
			for _, target := range cfg.Targets {
				text, _, ds := hcl.Print([]*hcl.File{file}, hcl.Env{Dir: "/src", Targets: []string{target.Name}})
				if !ds.HasErrors() {
					check("print.json", string(text))
				}
			}
		}
	}
	// Every attribute of the table, and one letter less of each.
	for _, d := range []schema.Dialect{schema.XbuildDialect, schema.BakeDialect} {
		for _, a := range schema.Language.Of(d).Block("target").Attributes {
			if err := valid(t, schemas[d], fmt.Sprintf(`{"target": {"t": {%q: "${x}"}}}`, a.Name)); err != nil {
				t.Errorf("%s: %s: %v", d, a.Name, err)
			}
		}
	}
	for _, a := range schema.Language.Of(schema.XbuildDialect).Block("target").Attributes {
		check("xbuild.hcl.json", fmt.Sprintf(`{"target": {"t": {%q: null}}}`, a.Name[:len(a.Name)-1]+"_"))
	}
	if n < 25 {
		t.Errorf("only %d files were checked", n)
	}
}

func hasCode(l diag.List, code string) bool {
	for _, d := range l {
		if d.Code == code {
			return true
		}
	}
	return false
}

// archives are the files of the front end's own test cases.
func archives(t *testing.T) []txtar.File {
	t.Helper()
	paths, err := filepath.Glob("../../../hcl/testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var out []txtar.File
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a.Files...)
	}
	return out
}
