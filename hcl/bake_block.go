package hcl

import (
	"fmt"
	"slices"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/xbuild/xbuild/internal/parallel"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// bakeBlock is a target or group block. A matrix makes several cells of it.
type bakeBlock struct {
	typ     string // "target" or "group"
	label   string
	labelAt diag.Range
	at      diag.Range
	body    hhcl.Body
	file    *File

	// content and problems are what take found.
	content  *hhcl.BodyContent
	problems hhcl.Diagnostics

	cells []*bakeCell
	attrs hhcl.Attributes // those that the table has
	// members is where a group names each of its members, once the syntax is forgotten.
	members map[string]diag.Range
}

// bakeCell is one target or group that a block makes.
type bakeCell struct {
	block *bakeBlock
	name  string
	ctx   *hhcl.EvalContext // with the values of the matrix; nil if there are none

	reads map[string]attrRead
	ahead map[string]*bakeValue // what evaluateAhead found; no reference sees it before its turn
}

// attrRead is how far the evaluation of an attribute of a cell is.
type attrRead struct {
	state nodeState
	bad   bool       // it could not be evaluated
	value *bakeValue // nil for null, and as long as it is not evaluated
}

// value is what an attribute is, as far as it is evaluated; nil for null.
func (c *bakeCell) value(attr string) *bakeValue { return c.reads[attr].value }

// eval evaluates an expression of a cell, or of the root scope if cell is nil. Problems are reported.
func (l *bakeLoader) eval(e hhcl.Expression, cell *bakeCell) (cty.Value, bool) {
	refs := e.Variables()
	if !l.needs(e, refs, cell, nil, false) {
		return cty.DynamicVal, false
	}
	ctx := l.root
	if cell != nil && cell.ctx != nil {
		ctx = cell.ctx
	}
	if objects := l.objects(refs); objects != nil {
		ctx = ctx.NewChild()
		ctx.Variables = objects
	}
	v, ds := evaluate(e, ctx)
	if l.report(ds, l.rng(e.Range())) {
		return cty.DynamicVal, false
	}
	return v, true
}

// needs makes sure that all that an expression mentions is evaluated. Names in own are its own. What does not exist is
// left to the evaluation, which may be inside try(), unless strict.
func (l *bakeLoader) needs(e hhcl.Expression, refs []hhcl.Traversal, cell *bakeCell, own map[string]bool, strict bool) bool {
	ok := true
	at := func(r hhcl.Range) diag.Range { return l.rng(r) }
	for _, name := range l.uncompiled(e) {
		known, good := l.compile(name, at(e.Range()))
		if !known && strict {
			l.errorf(codeUnknownFunction, at(e.Range()), "Unknown function", didYouMean(name, sortedKeys(l.root.Functions)), "There is no function named %q.", name)
			good = false
		}
		ok = ok && good
	}
	for _, tr := range refs {
		root := tr.RootName()
		if own[root] || (cell != nil && cell.ctx != nil && hasKey(cell.ctx.Variables, root)) {
			continue
		}
		if l.namesReady && (root == "target" || root == "group") {
			ok = l.needsBlock(tr) && ok
			continue
		}
		known, good := l.resolveName(root, at(tr.SourceRange()))
		if !known && strict {
			l.errorf(codeUnknownVariable, at(tr.SourceRange()), "Unknown name", didYouMean(root, sortedKeys(l.names)), "There is no variable named %q.", root)
			good = false
		}
		ok = ok && good
	}
	return ok
}

func hasKey[V any](m map[string]V, k string) bool { _, ok := m[k]; return ok }

// needsBlock evaluates what a reference target.NAME.ATTR or group.NAME.targets reads.
func (l *bakeLoader) needsBlock(tr hhcl.Traversal) bool {
	at := l.rng(tr.SourceRange())
	typ := tr.RootName()
	if len(tr) < 2 {
		l.errorf(codeBadReference, at, "Incomplete reference", fmt.Sprintf("Write %s.NAME.ATTRIBUTE.", typ), "%q as a whole is not a value.", typ)
		return false
	}
	name, isAttr := tr[1].(hhcl.TraverseAttr)
	if !isAttr {
		l.errorf(codeBadReference, at, "Incomplete reference", fmt.Sprintf("Write %s.NAME.ATTRIBUTE.", typ), "A %s is named with a dot, not with an index.", typ)
		return false
	}
	var only []string
	if len(tr) > 2 {
		if a, ok := tr[2].(hhcl.TraverseAttr); ok {
			only = []string{a.Name}
		}
	}
	ok := true
	if l.unnamed && l.named[typ+"."+name.Name] == nil {
		return false // it may be one of those
	}
	for _, b := range l.named[typ+"."+name.Name] {
		for _, c := range b.cells {
			for _, attr := range l.wanted(b, only) {
				if c.reads[attr].state == busy {
					l.circle(c.key(attr), at)
					return false
				}
			}
		}
		l.refAt = at
		ok = l.resolveBlock(b, only) && ok
	}
	return ok
}

func (c *bakeCell) key(attr string) string { return "block " + c.block.typ + "." + c.name + "." + attr }

// wanted is the attributes of b among only, or all of them.
func (l *bakeLoader) wanted(b *bakeBlock, only []string) []string {
	if only == nil {
		return sortedKeys(b.attrs)
	}
	return slices.DeleteFunc(slices.Clone(only), func(s string) bool { return b.attrs[s] == nil })
}

// objects is the values of `target` and `group` as far as references read them; nil if they do not.
func (l *bakeLoader) objects(refs []hhcl.Traversal) map[string]cty.Value {
	if !l.namesReady {
		return nil
	}
	var fields map[string]map[string]cty.Value
	for _, tr := range refs {
		root := tr.RootName()
		if root != "target" && root != "group" || len(tr) < 2 {
			continue
		}
		if fields == nil {
			fields = map[string]map[string]cty.Value{}
		}
		if fields[root] == nil {
			fields[root] = map[string]cty.Value{}
		}
		name := tr[1].(hhcl.TraverseAttr).Name // needsBlock saw to it
		if c := l.current[root+"."+name]; c != nil {
			fields[root][name] = c.object()
		}
	}
	var out map[string]cty.Value
	for root, f := range fields {
		if out == nil {
			out = map[string]cty.Value{}
		}
		out[root] = cty.ObjectVal(f)
	}
	return out
}

// object is a cell as expressions see it: what is not evaluated or not set is null.
func (c *bakeCell) object() cty.Value {
	fields := map[string]cty.Value{"name": cty.StringVal(c.name)}
	if c.block.typ == "group" {
		fields["targets"], fields["description"] = listValue(c.value("targets")), textValue(c.value("description"), true)
		return cty.ObjectVal(fields)
	}
	for i := range bakeTargetAttrs {
		a := &bakeTargetAttrs[i]
		fields[a.Name] = bakeCty(a, c.value(a.Name))
	}
	return cty.ObjectVal(fields)
}

// nameBlocks works out which targets the blocks make: matrix cells and their names.
func (l *bakeLoader) nameBlocks() {
	parallel.Each(len(l.blocks), func(i int) { l.blocks[i].take() })
	for _, b := range l.blocks {
		l.nameBlock(b)
		if l.made += len(b.cells); l.made > maxTargets {
			l.errorf(codeBadMatrix, b.at, "Too many targets", "Make fewer, or split them over several build files.", "%s", tooManyTargets)
			l.blocks = nil
		}
	}
	l.named = map[string][]*bakeBlock{}
	for _, b := range l.blocks {
		for _, c := range b.cells {
			l.named[b.typ+"."+c.name] = append(l.named[b.typ+"."+c.name], b)
		}
	}
	l.namesReady = true
}

// targetBody and groupBody are what is looked for in the blocks.
var (
	targetBody = blockBody(bakeTargetAttrs)
	groupBody  = blockBody(groupAttrs)
)

func blockBody(attrs []schema.Attribute) *hhcl.BodySchema {
	out := &hhcl.BodySchema{Attributes: []hhcl.AttributeSchema{{Name: "matrix"}, {Name: "name"}}}
	for _, a := range attrs {
		out.Attributes = append(out.Attributes, hhcl.AttributeSchema{Name: a.Name})
	}
	return out
}

// take looks for the attributes of the block in its syntax, which is not needed any more.
func (b *bakeBlock) take() {
	want := targetBody
	if b.typ == "group" {
		want = groupBody
	}
	b.content, _, b.problems = b.body.PartialContent(want)
	b.body = nil
}

func (l *bakeLoader) nameBlock(b *bakeBlock) {
	content := b.content
	if b.content = nil; l.report(b.problems, b.at) {
		return
	}
	matrix, name := content.Attributes["matrix"], content.Attributes["name"]
	delete(content.Attributes, "matrix")
	delete(content.Attributes, "name")
	b.attrs = content.Attributes
	bad := func(a *hhcl.Attribute, detail string) {
		l.errorf(codeBadMatrix, b.file.rng(a.NameRange), "Bad matrix", "", "%s", detail)
	}
	switch {
	case !validName().MatchString(b.label):
		l.errorf(codeBadName, b.labelAt, "Bad name", "Use letters, digits, _ and -.", "%q cannot be the name of a %s block.", b.label, b.typ)
		return
	case b.typ == "group" && matrix != nil:
		bad(matrix, "A group cannot have a matrix.")
		return
	case b.typ == "group" && name != nil:
		bad(name, "A group cannot have the attribute \"name\".")
		return
	case b.typ == "group" && content.Attributes["targets"] == nil:
		l.errorf(codeMissingAttribute, b.at, "Missing attribute", "", `A group block needs the attribute "targets".`)
		return
	case name != nil && matrix == nil:
		bad(name, "The attribute \"name\" needs a matrix.")
		return
	}
	cells := []*bakeCell{{block: b, name: b.label}}
	if matrix != nil {
		cells = l.matrix(b, matrix)
	}
	seen := map[string]bool{}
	for _, c := range cells {
		if name != nil && !l.cellName(c, name) {
			return
		}
		if seen[c.name] {
			l.errorf(codeDuplicateName, b.labelAt, "Name declared twice", "Set name to an expression that differs between the cells.",
				"Two cells of the matrix have the name %q.", c.name)
			return
		}
		seen[c.name] = true
		c.reads = make(map[string]attrRead, len(b.attrs))
	}
	b.cells = cells
	if b.typ == "target" && len(cells) > 0 {
		l.addNames(b)
	}
}

// cellName evaluates the name of a cell.
func (l *bakeLoader) cellName(c *bakeCell, name *hhcl.Attribute) bool {
	at := c.block.file.rng(name.Expr.Range())
	v, ok := l.eval(name.Expr, c)
	if !ok {
		return false
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil || s.IsNull() || !s.IsKnown() {
		l.errorf(codeWrongType, at, "Wrong type", "", "The name must be a string, but this is %s.", typeName(v.Type()))
		return false
	}
	c.name = s.AsString()
	if !validName().MatchString(c.name) {
		l.errorf(codeBadName, at, "Bad name", "Use letters, digits, _ and -; sanitize() replaces everything else.", "%q cannot be the name of a target.", c.name)
		return false
	}
	return true
}

// matrix is one cell for each combination of the values. The keys count in alphabetical order, the first one varying
// fastest; Bake takes them in an order that changes from run to run.
func (l *bakeLoader) matrix(b *bakeBlock, a *hhcl.Attribute) []*bakeCell {
	at := b.file.rng(a.Expr.Range())
	v, ok := l.eval(a.Expr, nil)
	if !ok {
		return nil
	}
	vars, axis, problem := combine(v, maxTargets-l.made)
	if problem != "" {
		advice := "Write { NAME = [VALUES] }."
		if axis != "" {
			advice = fmt.Sprintf("Write %s = [VALUES].", axis)
		}
		l.errorf(codeBadMatrix, at, "Bad matrix", advice, "%s", problem)
		return nil
	}
	var out []*bakeCell
	for _, m := range vars {
		c := &bakeCell{block: b, name: b.label, ctx: l.root.NewChild()}
		c.ctx.Variables = m
		out = append(out, c)
	}
	return out
}

// addNames remembers which targets a label stands for.
func (l *bakeLoader) addNames(b *bakeBlock) {
	i := slices.IndexFunc(l.renamed, func(r renamedBlock) bool { return r.label == b.label })
	if i < 0 {
		i = len(l.renamed)
		l.renamed = append(l.renamed, renamedBlock{label: b.label, at: b.at})
	}
	for _, c := range b.cells {
		l.renamed[i].names = append(l.renamed[i].names, c.name)
	}
}

// groupAttrs are the attributes of a group.
var groupAttrs = bakeLanguage.Block("group").Attributes

// resolveBlock evaluates attributes of all cells of a block, all or only those named.
func (l *bakeLoader) resolveBlock(b *bakeBlock, only []string) bool {
	at := l.refAt
	ok := true
	for _, c := range b.cells {
		worked, id := only == nil, b.typ+"."+c.name
		for _, attr := range l.ordered(b, only) {
			read := c.reads[attr]
			if read.state == done {
				ok = ok && !read.bad
				continue
			}
			worked = true
			if read.state == busy {
				l.circle(c.key(attr), at)
				return false
			}
			v, good := c.ahead[attr], true
			if _, known := c.ahead[attr]; !known {
				c.reads[attr] = attrRead{state: busy}
				l.push(c.key(attr), fmt.Sprintf("%s.%s.%s", b.typ, c.name, attr), at)
				v, good = l.attrValue(c, attr)
				l.pop()
			}
			c.reads[attr] = attrRead{state: done, bad: !good, value: v}
			l.current[id] = c // so that the attributes after it can read it
			ok = ok && good
		}
		// A name that the block does not have counts as read when it is first asked for.
		for _, attr := range only {
			read := c.reads[attr]
			worked = worked || read.state != done
			read.state = done
			c.reads[attr] = read
		}
		if worked {
			l.current[id] = c
		}
	}
	return ok
}

// ordered is the attributes to evaluate, in source order so that problems come in that order.
func (l *bakeLoader) ordered(b *bakeBlock, only []string) []string {
	out := l.wanted(b, only)
	slices.SortStableFunc(out, func(x, y string) int {
		return b.attrs[x].NameRange.Start.Byte - b.attrs[y].NameRange.Start.Byte
	})
	return out
}

// attrValue evaluates one attribute of a cell.
func (l *bakeLoader) attrValue(c *bakeCell, attr string) (*bakeValue, bool) {
	a := c.block.attrs[attr]
	raw, ok := l.eval(a.Expr, c)
	if !ok {
		return nil, false
	}
	v, err := l.typed(c, a, raw)
	if err != nil {
		at := c.block.file.rng(a.Expr.Range())
		l.errorf(codeWrongType, at, "Wrong type", "", "%s cannot be this: %v.", upperQuoted(attr), err)
		return nil, false
	}
	return v, true
}

func upperQuoted(s string) string { return fmt.Sprintf("%q", s) }

// addBlock puts the finished cells of a block among the targets and groups.
func (l *bakeLoader) addBlock(b *bakeBlock) {
	for _, c := range b.cells {
		if b.typ == "group" {
			g := &bakeGroup{name: c.name, at: b.at}
			if v := c.value("targets"); v != nil {
				g.targets, g.hasTargets, g.list = v.list, true, v.where()
				g.members = b.members
			}
			if v := c.value("description"); v != nil {
				g.description = v.text
			}
			l.setGroup(g)
			continue
		}
		t := &bakeTarget{name: c.name, at: b.at, values: map[string]*bakeValue{}}
		for k, r := range c.reads {
			if r.value != nil {
				t.values[k] = r.value
			}
		}
		t.base, t.hasBase = c.block.file.Name, true
		l.setTarget(t)
	}
}

func (l *bakeLoader) setTarget(t *bakeTarget) {
	if old := l.byTarget[t.name]; old != nil {
		old.merge(t)
		return
	}
	l.byTarget[t.name] = t
	l.targets = append(l.targets, t)
}

func (l *bakeLoader) setGroup(g *bakeGroup) {
	if i := slices.IndexFunc(l.groups, func(o *bakeGroup) bool { return o.name == g.name }); i >= 0 {
		l.groups[i] = g
		return
	}
	l.groups = append(l.groups, g)
}

// addRenamed adds the group that the label of a matrix block is. A group block of that name comes first and so wins.
func (l *bakeLoader) addRenamed() {
	for _, r := range l.renamed {
		names := unique(r.names)
		if len(names) == 1 && names[0] == r.label {
			continue
		}
		l.groups = append(l.groups, &bakeGroup{name: r.label, targets: names, hasTargets: true, at: r.at})
	}
	for _, g := range l.groups {
		g.targets = unique(g.targets)
	}
}

// unique drops repetitions and keeps the order.
func unique(s []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, v := range s {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}
