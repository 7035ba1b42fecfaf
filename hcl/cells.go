package hcl

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/xbuild/xbuild/schema/diag"
)

// cell is one combination of the values of a matrix.
type cell struct {
	label string // the name of the block, which is a group of all cells
	at    diag.Range
}

// withCells puts the cells of every target block with a matrix in the place of the block.
func (l *loader) withCells(blocks []*block) []*block {
	var out []*block
	for _, b := range blocks {
		matrix, name := b.attrs["matrix"], b.attrs["name"]
		switch {
		case b.typ.Name != "target" || matrix == nil && name == nil:
			out = append(out, b)
		case matrix == nil:
			l.errorf(codeBadMatrix, name.nameAt, "Bad matrix", "Write the name between the quotation marks of the block, or add a matrix.",
				"The attribute \"name\" names the targets of a matrix, and there is none.")
		default:
			out = append(out, l.cells(b, matrix, name, maxTargets-len(out))...)
		}
		if len(out) > maxTargets {
			l.errorf(codeBadMatrix, b.at, "Too many targets", "Make fewer, or split them over several build files.", "%s", tooManyTargets)
			return nil
		}
	}
	return out
}

// cells is one block for each combination of the values of a matrix. The keys count in alphabetical order, the first one
// varying fastest, as in Bake's dialect. No more than room are made.
func (l *loader) cells(b *block, matrix, name *attribute, room int) []*block {
	v, ok := l.eval(matrix.expr, place{file: matrix.file, what: matrix.describe()})
	if !ok {
		return nil
	}
	at := matrix.file.rng(matrix.expr.Range())
	if v.ContainsMarked() {
		l.errorf(codeSensitive, at, "A sensitive value would be shown", "", "A matrix cannot be made of a sensitive variable.")
		return nil
	}
	combinations, _, problem := combine(v, room)
	if problem != "" {
		l.errorf(codeBadMatrix, at, "Bad matrix", "Write { NAME = [VALUES] }.", "%s", problem)
		return nil
	}
	var out []*block
	taken := map[string]bool{}
	for _, vars := range combinations {
		c := *b
		c.cell = &cell{label: b.name, at: b.at}
		c.attrs = map[string]*attribute{}
		for k, a := range b.attrs {
			if k != "matrix" && k != "name" {
				own := *a
				own.vars = vars
				c.attrs[k] = &own
			}
		}
		if name != nil && !l.cellName(&c, name, vars) {
			return nil
		}
		if taken[c.name] {
			l.errorf(codeDuplicateName, b.label, "Name declared twice", "Set name to an expression that differs between the cells.",
				"Two cells of the matrix have the name %q.", c.name)
			return nil
		}
		taken[c.name] = true
		out = append(out, &c)
	}
	return out
}

// combine is every combination of the values of a matrix, in both dialects; problem says what is wrong with it, or with one
// axis of it; one of them is that there are more than room.
func combine(v cty.Value, room int) (out []map[string]cty.Value, axis, problem string) {
	if t := v.Type(); v.IsNull() || !t.IsMapType() && !t.IsObjectType() {
		return nil, "", fmt.Sprintf("A matrix must be a map of lists, but this is %s.", typeName(t))
	}
	out = []map[string]cty.Value{{}}
	axes := v.AsValueMap()
	if combinations(axes) > room {
		return nil, "", tooManyTargets
	}
	for _, k := range sortedKeys(axes) {
		if axes[k].IsNull() || !axes[k].CanIterateElements() {
			return nil, k, fmt.Sprintf("The values of %q must be a list, but this is %s.", k, typeName(axes[k].Type()))
		}
		var next []map[string]cty.Value
		for _, e := range axes[k].AsValueSlice() {
			for _, m := range out {
				m = maps.Clone(m)
				m[k] = e
				next = append(next, m)
			}
		}
		out = next
	}
	return out, "", ""
}

// cellName evaluates the name of a cell.
func (l *loader) cellName(b *block, name *attribute, vars map[string]cty.Value) bool {
	at := name.file.rng(name.expr.Range())
	v, ok := l.eval(name.expr, place{file: name.file, what: name.describe(), vars: vars})
	if !ok {
		return false
	}
	s, err := convert.Convert(v, cty.String)
	switch {
	case v.ContainsMarked():
		l.errorf(codeSensitive, at, "A sensitive value would be shown", "", "A name cannot be made of a sensitive variable.")
		return false
	case err != nil || s.IsNull() || !s.IsKnown():
		l.errorf(codeWrongType, at, "Wrong type", "", "The name must be a string, but this is %s.", typeName(v.Type()))
		return false
	case !validName().MatchString(s.AsString()):
		l.errorf(codeBadName, at, "Bad name", "Use letters, digits, _ and -; sanitize() replaces everything else.", "%q cannot be the name of a target.", s.AsString())
		return false
	}
	b.name = s.AsString()
	return true
}

// labelGroup is the group that the name of a matrix block is.
type labelGroup struct {
	name    string
	members []string
	at      diag.Range
}

// labelGroups are the groups of the cells of each matrix, where no group and no target of that name is declared.
func (l *loader) labelGroups() []labelGroup {
	var out []labelGroup
	for _, b := range l.blocks {
		if b.cell == nil || l.byName[b.cell.label] != nil ||
			slices.ContainsFunc(l.groups, func(g *block) bool { return g.name == b.cell.label }) {
			continue
		}
		i := slices.IndexFunc(out, func(g labelGroup) bool { return g.name == b.cell.label })
		if i < 0 {
			i = len(out)
			out = append(out, labelGroup{name: b.cell.label, at: b.cell.at})
		}
		if !slices.Contains(out[i].members, b.name) {
			out[i].members = append(out[i].members, b.name)
		}
	}
	return out
}
