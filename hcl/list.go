package hcl

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// List gives what build files declare, whatever a command line may ask for: every target, group and variable. Of the
// targets only the name, the description and the place can be relied on: those of Bake's dialect are not resolved, so that
// a list can be had of files whose targets cannot be built. Variables is nil, and not only empty, if no file can have
// variables, as compose files cannot. If the list of diagnostics has errors, only the Sources may be used.
func List(files []*File, env Env) (*schema.Config, diag.List) {
	if bake, ds := dialectOf(files); ds != nil {
		return &schema.Config{Sources: sourcesOf(files)}, ds
	} else if !bake {
		env.Targets = []string{} // nobody asks for any, so that mistakes in them are warnings
		cfg, ds := Load(files, env)
		if cfg.Variables == nil {
			cfg.Variables = []schema.Variable{}
		}
		return cfg, ds
	}
	l := newBakeLoader(files, env)
	l.read()
	cfg := &schema.Config{Dir: env.Dir, Sources: l.sources}
	if l.list.HasErrors() {
		return cfg, l.list.Sorted()
	}
	for _, f := range l.files {
		cfg.Files = append(cfg.Files, f.Name)
	}
	cfg.Variables = l.bakeVariables()
	if cfg.Variables == nil && slices.ContainsFunc(l.files, func(f *File) bool { return !f.compose }) {
		cfg.Variables = []schema.Variable{}
	}
	for _, t := range l.targets {
		st := &schema.Target{Name: t.name, Range: t.at}
		st.Description, _ = t.text("description")
		cfg.Targets = append(cfg.Targets, st)
	}
	for _, g := range l.groups {
		cfg.Groups = append(cfg.Groups, &schema.Group{Name: g.name, Description: g.description, Members: g.targets, Range: g.at})
	}
	return cfg, l.list.Sorted()
}

// bakeDisplay is the value of a variable as Bake lists it: text as it is, everything else as JSON, and the value of a
// variable with a type in the JSON form of that type. Null is the empty string.
func bakeDisplay(v cty.Value, typ cty.Type, typed bool) string {
	switch {
	case v.IsNull():
		return ""
	case typed:
		b, err := ctyjson.Marshal(v, typ)
		if err != nil {
			return ""
		}
		if typ == cty.String {
			return strings.Trim(string(b), `"`) // what JSON escapes stays escaped
		}
		return string(b)
	case v.Type().IsPrimitiveType():
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			return ""
		}
		return s.AsString()
	}
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return ""
	}
	return string(b)
}
