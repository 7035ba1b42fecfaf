package hcl

import (
	"fmt"
	"reflect"
	"sync/atomic"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// The limits of what all "for" expressions, templates and functions of one evaluation of the build files make together. The limits
// of a value are looked at when it is complete: without these, "for" expressions in one another would fill the memory before.
//
// They hold for HCL's native syntax. In JSON a template is parsed by the library each time it is evaluated, and its "for"
// expressions are bounded by the limits of their parts alone.
const (
	maxMade     = 2 * maxElements
	maxMadeText = 4 * maxText
	shortText   = 64 // bytes of a text that does not count
)

// made counts what was made.
type made struct {
	elements, text atomic.Int64
	over           atomic.Bool
}

// add counts. It reports whether a limit is passed, and the first time that it is, the error.
func (m *made) add(elements, text int) (over bool, err error) {
	switch {
	case m == nil:
		return false, nil
	case m.over.Load():
		return true, nil
	case m.elements.Add(int64(elements)) > maxMade:
		err = fmt.Errorf(`the "for" expressions of the build files go through more than %d elements together, which is the limit: use smaller lists`, maxMade)
	case m.text.Add(int64(text)) > maxMadeText:
		err = fmt.Errorf("the build files make strings of more than %d MB together, which is the limit: make smaller ones, or fewer", maxMadeText>>20)
	default:
		return false, nil
	}
	if m.over.Swap(true) { // another one was first
		err = nil
	}
	return true, err
}

// addText counts a value if it is a long string.
func (m *made) addText(v cty.Value) (over bool, err error) {
	s, _ := textOf(v)
	if len(s) <= shortText {
		return false, nil
	}
	return m.add(0, len(s))
}

// madeName is the name under which an evaluation finds its [made] among its functions. No expression can call it.
const madeName = "\x00 what the expressions of this evaluation have made"

var madeType = cty.Capsule("made", reflect.TypeFor[made]())

// madeFunc is the function that leads to a count.
func madeFunc(m *made) function.Function {
	return function.New(&function.Spec{Type: function.StaticReturnType(madeType),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.CapsuleVal(madeType, m), nil }})
}

// madeOf is the count among functions; nil if there is none.
func madeOf(fs map[string]function.Function) *made {
	f, ok := fs[madeName]
	if !ok {
		return nil
	}
	v, err := f.Call(nil)
	if err != nil {
		return nil
	}
	return v.EncapsulatedValue().(*made)
}

// madeIn is the count of an evaluation; nil if there is none.
func madeIn(ctx *hhcl.EvalContext) *made {
	for ; ctx != nil; ctx = ctx.Parent() {
		if m := madeOf(ctx.Functions); m != nil {
			return m
		}
	}
	return nil
}

// counted is an expression whose value counts. What is in it is still visible to who walks through the expressions.
type counted struct {
	*hclsyntax.ParenthesesExpr
	size func(m *made, v cty.Value) (over bool, err error)
}

// Value is the value of the expression, unknown above the limits: no more is made of it then.
func (e *counted) Value(ctx *hhcl.EvalContext) (cty.Value, hhcl.Diagnostics) {
	v, ds := e.ParenthesesExpr.Value(ctx)
	if ds.HasErrors() {
		return v, ds
	}
	over, err := e.size(madeIn(ctx), v)
	if err != nil {
		ds = append(ds, &hhcl.Diagnostic{Severity: hhcl.DiagError, Summary: "Value too large", Detail: upperFirst(err.Error()) + ".",
			Subject: e.Range().Ptr(), Expression: e, EvalContext: ctx})
	}
	if over {
		return cty.DynamicVal, ds
	}
	return v, ds
}

// count makes the "for" expressions and the templates below a node count.
func count(n hclsyntax.Node) {
	elements := func(m *made, v cty.Value) (bool, error) { return m.add(length(v), 0) }
	text := func(m *made, v cty.Value) (bool, error) { return m.addText(v) }
	_ = hclsyntax.VisitAll(n, func(n hclsyntax.Node) hhcl.Diagnostics {
		switch e := n.(type) {
		case *hclsyntax.ForExpr:
			e.CollExpr = inParentheses(e.CollExpr, elements)
		case *hclsyntax.TemplateExpr:
			for i, p := range e.Parts {
				if _, literal := p.(*hclsyntax.LiteralValueExpr); !literal {
					e.Parts[i] = inParentheses(p, text)
				}
			}
		}
		return nil
	})
}

func inParentheses(e hclsyntax.Expression, size func(*made, cty.Value) (bool, error)) hclsyntax.Expression {
	return &counted{&hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, size}
}
