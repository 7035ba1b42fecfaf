package hcl

import (
	"slices"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// bakeLanguage is the table as far as Bake's files have it.
var bakeLanguage = schema.Language.Of(schema.BakeDialect)

// bakeTargetAttrs are the attributes of a target in Bake's files, in the order of Bake's JSON.
var bakeTargetAttrs = slices.DeleteFunc(slices.Clone(bakeLanguage.Block("target").Attributes), func(a schema.Attribute) bool {
	return a.Name == "matrix" || a.Name == "name" // which make targets and are not theirs
})

// bakeAttr is one of them by name, or nil.
func bakeAttr(name string) *schema.Attribute { return bakeLanguage.Block("target").Attribute(name) }

// bakeLoader reads files in Bake's dialect: all of them are one program, later ones over earlier ones.
//
// What differs from xbuild.hcl, and why there are two loaders: a reference to another target sees that target's last
// block as it is written, without parents, merging and --set; every expression is evaluated, also those of targets that
// nobody asked for; unknown attributes and blocks are ignored; merging works on finished targets, parent by parent, with
// --set applied at each level. Names, functions, diagnostics and the table are shared.
type bakeLoader struct {
	reporter
	env     Env
	files   []*File
	sources diag.Sources

	root *hhcl.EvalContext // names and functions that are known so far

	variables []*bakeVariable // in source order, each name once
	names     map[string]*bakeName
	funcs     map[string]*bakeFunc
	order     []string // of funcs

	blocks  []*bakeBlock            // targets and groups in source order
	named   map[string][]*bakeBlock // by type and name; nil until all names are known
	current map[string]*bakeCell    // which cell a reference sees, by type and name

	// thorough looks for as many mistakes as there are; what a mistake makes unknown is then no further one.
	thorough bool
	// namesReady says that blocks can be referred to; unnamed that some of them have no name for a mistake.
	namesReady, unnamed bool
	stack               []frame
	refAt               diag.Range // the reference being followed

	targets    []*bakeTarget
	groups     []*bakeGroup
	byTarget   map[string]*bakeTarget
	groupIndex map[string]*bakeGroup
	made       int            // targets and groups of the blocks so far
	renamed    []renamedBlock // labels of matrix blocks with the names that they made
}

// renamedBlock is a label and the names of all targets that blocks of that label made.
type renamedBlock struct {
	label string
	names []string
	at    diag.Range
}

// frame is something under evaluation, for spelling out circles.
type frame struct {
	key, label string
	at         diag.Range // the reference that started it
}

func newBakeLoader(files []*File, env Env) *bakeLoader {
	if env.Getenv == nil {
		env.Getenv = func(string) (string, bool) { return "", false }
	}
	l := &bakeLoader{env: env, files: slices.Clone(files), sources: diag.Sources{}, names: map[string]*bakeName{}, funcs: map[string]*bakeFunc{},
		current: map[string]*bakeCell{}, byTarget: map[string]*bakeTarget{}}
	l.functions = functionsOf(env)
	l.root = &hhcl.EvalContext{Variables: map[string]cty.Value{}, Functions: l.functions}
	for _, f := range files {
		l.sources[f.Name] = f.Bytes
	}
	return l
}

// bakeReserved are the top-level names that Bake does not let a file define.
func (l *bakeLoader) bakeReserved(name string) bool {
	_, builtin := l.builtins()[name]
	return name == "target" || name == "group" || builtin
}

// builtins are Bake's built-in variables.
func (l *bakeLoader) builtins() map[string]string {
	return map[string]string{"BAKE_CMD_CONTEXT": l.env.cmdContext(), "BAKE_LOCAL_PLATFORM": l.env.LocalPlatform}
}

// read evaluates everything in the files: variables, functions, blocks, globals. It stops where Bake stops after a mistake,
// unless l.thorough.
func (l *bakeLoader) read() {
	stop := func() bool { return l.list.HasErrors() && !l.thorough }
	for _, name := range sortedKeys(l.builtins()) {
		l.root.Variables[name] = cty.StringVal(l.builtins()[name])
	}
	l.sniff()
	l.readCompose()
	if stop() {
		return
	}
	for i := range l.files {
		l.collect(i)
	}
	if stop() {
		return
	}
	for _, v := range l.variables {
		l.resolveName(v.name, v.label)
	}
	if !l.list.HasErrors() {
		l.validate()
	}
	for _, name := range l.order {
		l.compile(name, l.funcs[name].at)
	}
	if stop() {
		return
	}
	before := len(l.list)
	l.nameBlocks()
	l.unnamed = slices.ContainsFunc(l.list[before:], func(d diag.Diagnostic) bool { return d.Severity == diag.Error })
	if stop() {
		return
	}
	l.resolveBlocks()
	for _, name := range sortedKeys(l.names) {
		if n := l.names[name]; n.global != nil {
			l.resolveName(name, n.at)
		}
	}
	l.addRenamed()
}

// withoutBody is the file without its syntax, which is more than half of what a long file takes.
func (f *File) withoutBody() *File {
	c := *f
	c.body = nil
	return &c
}

// forget lets go of what is left of the syntax once all of it is evaluated.
func (l *bakeLoader) forget() {
	for _, n := range l.names {
		n.global = nil
	}
	for _, v := range l.variables {
		v.def, v.checks = nil, nil
	}
	l.blocks, l.named, l.current, l.funcs = nil, nil, nil, nil
}

// bakeHeader is the top level of a file.
var bakeHeader = &hhcl.BodySchema{Blocks: []hhcl.BlockHeaderSchema{
	{Type: "group", LabelNames: []string{"name"}}, {Type: "target", LabelNames: []string{"name"}},
	{Type: "variable", LabelNames: []string{"name"}}, {Type: "function", LabelNames: []string{"name"}},
}}

// collect takes the top level of one file apart.
func (l *bakeLoader) collect(i int) {
	f := l.files[i]
	if f.body == nil {
		return
	}
	content, rest, ds := f.body.PartialContent(bakeHeader)
	if !l.thorough { // which looks for what is unknown in it
		f = f.withoutBody()
		l.files[i] = f
	}
	l.report(ds, f.start())
	for _, b := range content.Blocks {
		switch b.Type {
		case "variable":
			l.addVariable(f, b)
		case "function":
			l.addFunction(f, b)
		default:
			l.blocks = append(l.blocks, &bakeBlock{typ: b.Type, label: b.Labels[0], labelAt: f.rng(b.LabelRanges[0]), at: f.rng(b.DefRange), body: b.Body, file: f})
		}
	}
	attrs, ds := rest.JustAttributes()
	for _, d := range ds {
		// Unknown blocks are ignored, as Bake does.
		if d.Detail != "Blocks are not allowed here." {
			l.report(hhcl.Diagnostics{d}, f.start())
		}
	}
	for _, a := range inOrder(attrs) {
		if l.bakeReserved(a.Name) || a.Name == "function" {
			continue
		}
		n := l.name(a.Name)
		n.global, n.at, n.file = a, f.rng(a.NameRange), f
	}
}

// fileAt is the file that a range of the library lies in.
func (l *bakeLoader) fileAt(r hhcl.Range) *File {
	if i := slices.IndexFunc(l.files, func(f *File) bool { return f.Name == r.Filename }); i >= 0 {
		return l.files[i]
	}
	return l.files[0]
}

func (l *bakeLoader) rng(r hhcl.Range) diag.Range { return l.fileAt(r).rng(r) }

// report adds diagnostics of the library. It reports whether there was an error.
func (l *bakeLoader) report(ds hhcl.Diagnostics, fallback diag.Range) bool {
	for _, d := range ds {
		f := l.files[0]
		if d.Subject != nil {
			f = l.fileAt(*d.Subject)
		}
		l.hcl(f, d, codeBadExpression, fallback)
	}
	return ds.HasErrors()
}

// uncompiled is the names of the functions that an expression calls and that may not be callable yet. When the blocks are
// evaluated all are.
func (l *bakeLoader) uncompiled(e hhcl.Expression) []string {
	if l.namesReady {
		return nil
	}
	return l.calls(e)
}

// calls is the names of the functions that an expression calls.
func (l *bakeLoader) calls(e hhcl.Expression) []string {
	var out []string
	visit := func(n hclsyntax.Node) {
		_ = hclsyntax.VisitAll(n, func(n hclsyntax.Node) hhcl.Diagnostics {
			if c, ok := n.(*hclsyntax.FunctionCallExpr); ok && !slices.Contains(out, c.Name) {
				out = append(out, c.Name)
			}
			return nil
		})
	}
	if n, ok := e.(hclsyntax.Expression); ok {
		visit(n)
		return out
	}
	// In JSON every string is a template, and the library does not show them.
	r := e.Range()
	f := l.fileAt(r)
	if len(l.funcs) == 0 || r.Start.Byte > r.End.Byte || r.End.Byte > len(f.Bytes) {
		return nil
	}
	for _, s := range jsonStrings(f.Bytes[r.Start.Byte:r.End.Byte]) {
		if !strings.Contains(s, "${") && !strings.Contains(s, "%{") {
			continue
		}
		if t, ds := hclsyntax.ParseTemplate([]byte(s), f.Name, hhcl.InitialPos); !ds.HasErrors() {
			visit(t)
		}
	}
	return out
}
