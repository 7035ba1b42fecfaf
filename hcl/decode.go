package hcl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// block is one block of a build file, known to the table, with its attributes.
type block struct {
	typ   *schema.BlockType
	name  string     // the first label
	label diag.Range // of the name
	at    diag.Range // of the header
	dir   string     // folder of the file
	attrs map[string]*attribute
	inner []*block // blocks in it, in source order
	cell  *cell    // of a target block: which of a matrix, or nil
}

// attribute is one attribute of a block, or a bare one at the top level (then spec is nil).
type attribute struct {
	spec   *schema.Attribute
	name   string
	nameAt diag.Range
	at     diag.Range // name and value
	expr   hhcl.Expression
	file   *File
	owner  string // the block, for messages: `target "app"`

	// vars are the values of a matrix, which the expression can read.
	vars map[string]cty.Value

	// readsPlatform says that the expression means the platform object. Set when all names are declared.
	readsPlatform bool
	// memo is the value of an expression that does not read the platform, once it is known.
	memo *evaluated
}

type evaluated struct {
	value *value
	ok    bool
}

// describe names the attribute in a sentence.
func (a *attribute) describe() string {
	if a.spec == nil {
		return fmt.Sprintf("the top-level attribute %q", a.name)
	}
	return fmt.Sprintf("the attribute %q of %s", a.name, a.owner)
}

// language is the table as far as xbuild.hcl has it.
var language = schema.Language.Of(schema.XbuildDialect)

// reserved are top-level names that belong to the language, now or soon, and cannot be global attributes.
var reserved = []string{"platforms", "strategy", "builder"}

// decode adds the blocks and the bare attributes of one file.
func (l *loader) decode(f *File) {
	types := &hhcl.BodySchema{}
	for _, t := range language {
		types.Blocks = append(types.Blocks, hhcl.BlockHeaderSchema{Type: t.Name, LabelNames: t.Labels})
	}
	content, rest, ds := f.body.PartialContent(types)
	start := diag.Range{Filename: f.Name, Start: f.posAt(0), End: f.posAt(0)}
	for _, d := range ds {
		// JSON that is no object at all is a wrong type and, at the same place, a missing label.
		alike := func(o *hhcl.Diagnostic) bool {
			return o != d && o.Subject != nil && d.Subject != nil && *o.Subject == *d.Subject
		}
		if strings.HasPrefix(d.Summary, "Missing block label") && slices.ContainsFunc(ds, alike) {
			continue
		}
		l.header(f, d, start)
	}
	l.unknownBlocks(f)
	// JustAttributes complains about the unknown blocks again, so its diagnostics are of interest in JSON only.
	attrs, ds := rest.JustAttributes()
	for _, d := range ds {
		if f.json {
			l.hcl(f, d, codeSyntax, start)
		}
	}
	for _, a := range inOrder(attrs) {
		// A comment, and what tells an editor which schema the file has.
		if f.json && (a.Name == "//" || a.Name == "$schema") || a.Name == includeName {
			continue
		}
		g := &attribute{name: a.Name, nameAt: f.rng(a.NameRange), at: f.rng(a.Range), expr: a.Expr, file: f}
		if slices.Contains(reserved, a.Name) {
			l.errorf(codeReservedName, g.nameAt, "Reserved name", "Choose another name.",
				"%q belongs to the language and cannot be a top-level attribute.", a.Name)
			continue
		}
		l.globals = append(l.globals, g)
	}
	blocks := slices.Clone(content.Blocks)
	slices.SortStableFunc(blocks, func(a, b *hhcl.Block) int { return cmp.Compare(startOf(a), startOf(b)) })
	for _, b := range blocks {
		l.blocks = append(l.blocks, l.decodeBlock(f, b))
	}
}

func startOf(b *hhcl.Block) int { return b.LabelRanges[0].Start.Byte }

// header adds a diagnostic about the header of a block.
func (l *loader) header(f *File, d *hhcl.Diagnostic, fallback diag.Range) {
	missing, isMissing := strings.CutPrefix(d.Summary, "Missing name for ")
	extra, isExtra := strings.CutPrefix(d.Summary, "Extraneous label for ")
	switch {
	case d.Subject == nil, !isMissing && !isExtra:
		l.hcl(f, d, codeSyntax, fallback)
	case isMissing:
		l.errorf(codeMissingLabel, f.rng(*d.Subject), "Block without a name", fmt.Sprintf("Write %s \"NAME\" {.", missing), "A %s block needs a name.", missing)
	default:
		l.errorf(codeExtraLabel, f.rng(*d.Subject), "Block with several names", "", "A %s block has one name.", extra)
	}
}

// unknownBlocks reports the top-level blocks of a native file that the table does not have. In JSON nothing tells a
// block from a global attribute.
func (l *loader) unknownBlocks(f *File) {
	body, ok := f.body.(*hclsyntax.Body)
	if !ok {
		return
	}
	for _, b := range body.Blocks {
		if language.Block(b.Type) == nil {
			l.errorf(codeUnknownBlock, f.rng(b.TypeRange), "Unknown block", cmp.Or(insteadOfBlock(b.Type), oneOf(b.Type, language.Names())), "There is no block type %q.", b.Type)
		}
	}
}

// insteadOfBlock is what to write in place of a block that other tools have; empty if there is nothing.
func insteadOfBlock(name string) string {
	switch name {
	case "locals", "local":
		return "Write the values at the top level of the file, NAME = VALUE, and NAME to read them."
	case "services", "service":
		return "Write a target for each service; a compose file is read as it is with -f compose.yaml."
	}
	return ""
}

func (l *loader) decodeBlock(f *File, hb *hhcl.Block) *block {
	b := &block{typ: language.Block(hb.Type), name: hb.Labels[0], label: f.rng(hb.LabelRanges[0])}
	b.at = f.rng(hb.DefRange)
	if f.json {
		b.at = b.label // the "header" of a JSON block is a lone brace
	}
	l.decodeBody(f, b, hb.Body, fmt.Sprintf("%s %q", b.typ.Name, b.name))
	return b
}

// decodeBody fills a block with its attributes and the blocks in it.
func (l *loader) decodeBody(f *File, b *block, body hhcl.Body, owner string) {
	b.dir, b.attrs = f.dir(), map[string]*attribute{}
	want := &hhcl.BodySchema{}
	for _, t := range b.typ.Blocks {
		want.Blocks = append(want.Blocks, hhcl.BlockHeaderSchema{Type: t.Name})
	}
	for _, a := range b.typ.Attributes {
		want.Attributes = append(want.Attributes, hhcl.AttributeSchema{Name: a.Name})
	}
	content, ds := body.Content(want)
	for _, d := range ds {
		l.inBlock(f, b, d)
	}
	for _, a := range inOrder(content.Attributes) {
		b.attrs[a.Name] = &attribute{spec: b.typ.Attribute(a.Name), name: a.Name, nameAt: f.rng(a.NameRange), at: f.rng(a.Range),
			expr: a.Expr, file: f, owner: owner}
	}
	for _, a := range b.typ.Attributes {
		if a.Required && b.attrs[a.Name] == nil && !ds.HasErrors() {
			l.errorf(codeMissingAttribute, b.at, "Missing attribute", "", "A %s block needs the attribute %q.", b.typ.Name, a.Name)
		}
	}
	for _, hb := range content.Blocks {
		in := &block{typ: schema.Table(b.typ.Blocks).Block(hb.Type), name: b.name, label: f.rng(hb.TypeRange), at: f.rng(hb.DefRange)}
		l.decodeBody(f, in, hb.Body, fmt.Sprintf("the %s of %s", hb.Type, owner))
		b.inner = append(b.inner, in)
	}
}

// inBlock adds a diagnostic about the body of b. What is not in the table is said in the language's own words.
func (l *loader) inBlock(f *File, b *block, d *hhcl.Diagnostic) {
	names := append(b.typ.Names(), schema.Table(b.typ.Blocks).Names()...)
	switch {
	case d.Subject == nil:
	case strings.HasPrefix(d.Summary, "Unsupported argument"), strings.HasPrefix(d.Summary, "Extraneous JSON"):
		at := f.rng(*d.Subject)
		name := strings.Trim(string(f.Bytes[at.Start.Byte:at.End.Byte]), `"`)
		l.errorf(codeUnknownAttribute, at, "Unknown attribute", didYouMean(name, names), "A %s block has no attribute %q.", b.typ.Name, name)
		return
	case strings.HasPrefix(d.Summary, "Unsupported block type"):
		at := f.rng(*d.Subject)
		name := string(f.Bytes[at.Start.Byte:at.End.Byte])
		advice := didYouMean(name, names)
		if b.typ.Attribute(name) != nil {
			advice = fmt.Sprintf("%s is an attribute: write %s = ...", name, name)
		}
		l.errorf(codeUnknownBlock, at, "Unknown block", advice, "A %s block has no block %q in it.", b.typ.Name, name)
		return
	}
	l.hcl(f, d, codeSyntax, b.at)
}

// inOrder is the attributes in source order.
func inOrder(attrs hhcl.Attributes) []*hhcl.Attribute {
	out := make([]*hhcl.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hhcl.Attribute) int {
		return cmp.Or(cmp.Compare(a.NameRange.Start.Byte, b.NameRange.Start.Byte), cmp.Compare(a.Name, b.Name))
	})
	return out
}
