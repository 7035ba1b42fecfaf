package hcl

import (
	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/xbuild/xbuild/internal/parallel"
)

// aheadBlocks is how many blocks are evaluated side by side before their values are taken up in order. It bounds how many
// values wait.
const aheadBlocks = 128

// resolveBlocks evaluates all blocks and puts their cells among the targets and groups. What no order can change is
// evaluated side by side; the rest, and all that has a mistake, one after the other, as references need it.
func (l *bakeLoader) resolveBlocks() {
	for rest := l.blocks; len(rest) > 0; {
		part := rest[:min(aheadBlocks, len(rest))]
		rest = rest[len(part):]
		l.evaluateAhead(part)
		for _, b := range part {
			if l.resolveBlock(b, nil) {
				b.forget()
			}
			l.addBlock(b)
		}
	}
}

// forget lets go of the syntax of a block of which everything is evaluated.
func (b *bakeBlock) forget() {
	if b.typ == "group" {
		b.members = b.file.memberRanges(b.attrs["targets"])
	}
	for _, a := range b.attrs {
		a.Expr = nil
	}
	for _, c := range b.cells {
		c.ahead = nil
	}
}

// evaluateAhead evaluates the attributes that read nothing but names that are known by now.
func (l *bakeLoader) evaluateAhead(blocks []*bakeBlock) {
	if l.thorough {
		return // it keeps what it cannot evaluate apart from what is wrong
	}
	parallel.Each(len(blocks), func(i int) {
		for _, c := range blocks[i].cells {
			l.cellAhead(c)
		}
	})
}

// cellAhead evaluates attributes of one cell and changes nothing but the cell.
func (l *bakeLoader) cellAhead(c *bakeCell) {
	ctx := l.root
	if c.ctx != nil {
		ctx = c.ctx
	}
	for name, a := range c.block.attrs {
		if c.reads[name].state == done || !l.independent(a.Expr, c) {
			continue
		}
		raw, ds := evaluate(a.Expr, ctx)
		if len(ds) > 0 {
			continue
		}
		if v, err := l.typed(c, a, raw); err == nil {
			if c.ahead == nil {
				c.ahead = make(map[string]*bakeValue, len(c.block.attrs))
			}
			c.ahead[name] = v
		}
	}
}

// independent reports whether an expression reads only names that are known.
func (l *bakeLoader) independent(e hhcl.Expression, c *bakeCell) bool {
	for _, tr := range e.Variables() {
		root := tr.RootName()
		own := c.ctx != nil && hasKey(c.ctx.Variables, root)
		if root == "target" || root == "group" || !own && !hasKey(l.root.Variables, root) {
			return false
		}
	}
	return true
}

// typed brings what an attribute of a cell evaluates to into the type that the table gives it.
func (l *bakeLoader) typed(c *bakeCell, a *hhcl.Attribute, raw cty.Value) (*bakeValue, error) {
	spec := bakeAttr(a.Name)
	if c.block.typ == "group" {
		spec = bakeLanguage.Block("group").Attribute(a.Name)
	}
	v, err := toBake(spec, raw)
	if v != nil {
		at := c.block.file.rng(a.Range)
		v.at = &at
		l.setBases(c, a, v)
	}
	return v, err
}
