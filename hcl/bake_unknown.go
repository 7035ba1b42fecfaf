package hcl

import (
	"fmt"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// unknown warns about blocks and attributes that the language does not have. Bake, and so everything but [Validate],
// ignores them without a word.
func (l *bakeLoader) unknown() {
	for _, f := range l.files {
		if body, ok := f.body.(*hclsyntax.Body); ok {
			l.unknownBlocks(f, body, bakeLanguage, nil)
		} else if f.body != nil {
			l.unknownJSON(f)
		}
	}
}

// unknownBlocks warns about the blocks of a body that the table does not have, and looks into the others. owner is the
// block that the body is of; nil for a file.
func (l *bakeLoader) unknownBlocks(f *File, body *hclsyntax.Body, table schema.Table, owner *schema.BlockType) {
	for _, b := range body.Blocks {
		t := table.Block(b.Type)
		switch {
		case t == nil && owner == nil:
			l.ignored(codeUnknownBlock, f.rng(b.TypeRange), "Unknown block", oneOf(b.Type, table.Names()), "There is no block type %q; it is ignored.", b.Type)
		case t == nil:
			advice := didYouMean(b.Type, owner.Names())
			if owner.Attribute(b.Type) != nil {
				advice = fmt.Sprintf("%s is an attribute: write %s = ...", b.Type, b.Type)
			}
			l.ignored(codeUnknownBlock, f.rng(b.TypeRange), "Unknown block", advice, "A %s block has no block %q in it; it is ignored.", owner.Name, b.Type)
		case t.Name == "function": // is strict anyhow
		default:
			for _, a := range b.Body.Attributes {
				if t.Attribute(a.Name) == nil {
					l.unknownAttribute(f, t, a.Name, a.NameRange)
				}
			}
			l.unknownBlocks(f, b.Body, t.Blocks, t)
		}
	}
}

// unknownJSON is unknownBlocks for a JSON file, where everything unknown at the top level is a global.
func (l *bakeLoader) unknownJSON(f *File) {
	content, _, _ := f.body.PartialContent(bakeHeader)
	for _, b := range content.Blocks {
		t := bakeLanguage.Block(b.Type)
		if t.Name == "function" {
			continue
		}
		want := &hhcl.BodySchema{}
		for _, name := range t.Names() {
			want.Attributes = append(want.Attributes, hhcl.AttributeSchema{Name: name})
		}
		for _, inner := range t.Blocks {
			want.Blocks = append(want.Blocks, hhcl.BlockHeaderSchema{Type: inner.Name})
		}
		_, rest, _ := b.Body.PartialContent(want)
		attrs, _ := rest.JustAttributes()
		for _, a := range inOrder(attrs) {
			if a.Name != "//" {
				l.unknownAttribute(f, t, a.Name, a.NameRange)
			}
		}
	}
}

func (l *bakeLoader) unknownAttribute(f *File, t *schema.BlockType, name string, at hhcl.Range) {
	advice := didYouMean(name, t.Names())
	if whole := schema.Language.Block(t.Name); whole != nil && whole.Attribute(name) != nil {
		advice = "Only xbuild.hcl has it."
	}
	l.ignored(codeUnknownAttribute, f.rng(at), "Unknown attribute", advice, "A %s block has no attribute %q; it is ignored.", t.Name, name)
}

// ignored adds a warning.
func (l *bakeLoader) ignored(code string, at diag.Range, summary, advice, detail string, args ...any) {
	l.add(diag.Diagnostic{Severity: diag.Warning, Code: code, Subject: &at, Summary: summary, Advice: advice, Detail: fmt.Sprintf(detail, args...)})
}
