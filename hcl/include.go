package hcl

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/xbuild/xbuild/schema/diag"
)

// includeName is the top-level attribute that names other build files.
const includeName = "include"

// includer reads the files that build files include.
type includer struct {
	reporter
	env     Env
	sources diag.Sources
	out     []*File
	open    []*File // the files whose includes are being read, outermost first
	at      []diag.Range
}

// withIncludes puts the files that files include before them, each once, and gives the text of all.
func withIncludes(files []*File, env Env) ([]*File, diag.Sources, diag.List) {
	in := &includer{env: env, sources: sourcesOf(files)}
	for _, f := range files {
		in.add(f)
	}
	return in.out, in.sources, in.list
}

// add adds a file after those that it includes.
func (in *includer) add(f *File) {
	if slices.ContainsFunc(in.out, func(o *File) bool { return o.Path == f.Path }) {
		return
	}
	in.open = append(in.open, f)
	for _, it := range in.patterns(f) {
		in.include(f, it)
	}
	in.open = in.open[:len(in.open)-1]
	in.out = append(in.out, f)
}

// patterns is the value of include.
func (in *includer) patterns(f *File) []item {
	content, _, _ := f.body.PartialContent(&hhcl.BodySchema{Attributes: []hhcl.AttributeSchema{{Name: includeName}}})
	a := content.Attributes[includeName]
	if a == nil {
		return nil
	}
	at := f.rng(a.Expr.Range())
	bad := func(at diag.Range) []item {
		in.errorf(codeBadInclude, at, "Bad include", `Write include = ["FILE", ...].`, "include must be a list of plain strings: files are read before anything is evaluated.")
		return nil
	}
	exprs, ds := hhcl.ExprList(a.Expr)
	if ds.HasErrors() {
		return bad(at)
	}
	var out []item
	for _, e := range exprs {
		v, ds := e.Value(nil)
		if ds.HasErrors() || v.Type() != cty.String || v.IsNull() || v.AsString() == "" {
			return bad(f.rng(e.Range()))
		}
		out = append(out, item{text: v.AsString(), at: f.rng(e.Range())})
	}
	return out
}

// include adds the files that one element names, in the order of their paths.
func (in *includer) include(f *File, it item) {
	p := treePath(it.text, f.dir())
	paths := []string{p}
	if strings.ContainsAny(it.text, "*?[") && in.env.Glob != nil {
		var err error
		paths, err = in.env.Glob(p)
		switch {
		case errors.Is(err, filepath.ErrBadPattern):
			in.errorf(codeBadInclude, it.at, "Bad include", "", "%q is not a pattern of file names.", it.text)
			return
		case err != nil:
			in.errorf(codeBadInclude, it.at, "Bad include", "", "Files that match %q cannot be looked for: %v.", it.text, err)
			return
		}
		slices.Sort(paths)
		if len(paths) == 0 {
			at := it.at
			in.reporter.add(diag.Diagnostic{Severity: diag.Warning, Code: codeBadInclude, Subject: &at, Summary: "Nothing to include",
				Detail: fmt.Sprintf("No file matches %q.", it.text)})
		}
	}
	for _, p := range paths {
		if i := slices.IndexFunc(in.open, func(o *File) bool { return o.Path == p }); i >= 0 {
			if p != f.Path || len(paths) == 1 { // a pattern may match the file itself
				in.circle(in.open[i:], it)
			}
			continue
		}
		if slices.ContainsFunc(in.out, func(o *File) bool { return o.Path == p }) {
			continue
		}
		if in.env.ReadFile == nil {
			in.errorf(codeBadInclude, it.at, "Bad include", "", "Other files cannot be read here.")
			return
		}
		text, err := in.env.ReadFile(p)
		if err != nil {
			in.errorf(codeBadInclude, it.at, "Bad include", "", "%s cannot be read: %v.", in.name(p), pathErr(err))
			continue
		}
		in.sources[in.name(p)] = text
		file, ds := parseXbuild(in.name(p), p, text)
		for _, d := range ds {
			in.reporter.add(d)
		}
		if file != nil {
			in.add(file)
		}
	}
}

// circle spells out files that include each other.
func (in *includer) circle(files []*File, it item) {
	var words []string
	for i, f := range files {
		words = append(words, fmt.Sprintf("%s includes %s", f.Name, files[(i+1)%len(files)].Name))
	}
	in.errorf(codeIncludeCycle, it.at, "Files include each other", "Take this one away.", "%s.", strings.Join(words, ", "))
}

// name is how a file is called in diagnostics: relative to the working directory if that is shorter.
func (in *includer) name(p string) string {
	if rel, err := filepath.Rel(in.env.Dir, p); err == nil && len(rel) < len(p) {
		return rel
	}
	return p
}
