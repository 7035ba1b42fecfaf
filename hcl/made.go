package hcl

import (
	"bytes"
	"fmt"
	"reflect"
	"sync/atomic"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxMade and maxMadeText are the limits of what all "for" expressions, templates and functions of one evaluation of the build files make together. The limits
// of a value are looked at when it is complete: without these, "for" expressions in one another would fill the memory before.
//
// They hold for HCL's native syntax. In JSON a template is parsed by the library each time it is evaluated, and its "for"
// expressions are bounded by the limits of their parts alone.
func maxMade() int64     { return 2 * int64(maxElements) }
func maxMadeText() int64 { return 4 * int64(maxText) }

const (
	shortText = 64 // bytes of a text that does not count
	fewParts  = 8  // of a template that is in no "for": what it makes is bounded by them
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
	case m.elements.Add(int64(elements)) > maxMade():
		err = fmt.Errorf(`the "for" expressions of the build files go through more than %d elements together, which is the limit: use smaller lists`, maxMade())
	case m.text.Add(int64(text)) > maxMadeText():
		err = fmt.Errorf("the build files make strings of more than %d MB together, which is the limit: make smaller ones, or fewer", maxMadeText()>>20)
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

// isOver reports whether a limit was passed.
func (m *made) isOver() bool { return m != nil && m.over.Load() }

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
	size func(ctx *hhcl.EvalContext, v cty.Value) (over bool, err error)
}

// Value is the value of the expression, unknown above the limits: no more is made of it then.
func (e *counted) Value(ctx *hhcl.EvalContext) (cty.Value, hhcl.Diagnostics) {
	v, ds := e.ParenthesesExpr.Value(ctx)
	if ds.HasErrors() {
		return v, ds
	}
	over, err := e.size(ctx, v)
	if err != nil {
		ds = append(ds, &hhcl.Diagnostic{Severity: hhcl.DiagError, Summary: "Value too large", Detail: upperFirst(err.Error()) + ".",
			Subject: e.Range().Ptr(), Expression: e, EvalContext: ctx})
	}
	if over {
		return cty.DynamicVal, ds
	}
	return v, ds
}

// counter makes the "for" expressions below a node count, and the templates in them or of many parts.
type counter struct{ inFor int }

// count makes what is in a body count. Most texts have nothing that would, which is faster to see in src than in the syntax.
func count(b *hclsyntax.Body, src []byte) {
	if hasFor(src) || manyParts(src) {
		_ = hclsyntax.Walk(b, &counter{})
	}
}

// hasFor reports whether a text may have a "for" expression: the word is in it.
func hasFor(src []byte) bool {
	letter := func(i int) bool {
		return i >= 0 && i < len(src) && (src[i] == '_' || src[i] == '-' || src[i] >= '0' && src[i] <= '9' || src[i]|0x20 >= 'a' && src[i]|0x20 <= 'z' || src[i] >= 0x80)
	}
	for at := 0; ; at += len("for") {
		i := bytes.Index(src[at:], []byte("for"))
		if i < 0 {
			return false
		}
		if at += i; !letter(at-1) && !letter(at+len("for")) {
			return true
		}
	}
}

// manyParts reports whether a text may have a template of many parts: a line with as many interpolations and directives, or a template
// of several lines, which is a heredoc or has a line end between its braces.
func manyParts(src []byte) bool {
	if bytes.Contains(src, []byte("<<")) {
		return true
	}
	for line := range bytes.Lines(src) {
		n := bytes.Count(line, []byte("${")) + bytes.Count(line, []byte("%{"))
		if n > fewParts/2 || n > 0 && bytes.Count(line, []byte("{")) > bytes.Count(line, []byte("}")) { // text between them is a part too
			return true
		}
	}
	return false
}

func (c *counter) Enter(n hclsyntax.Node) hhcl.Diagnostics {
	switch e := n.(type) {
	case *hclsyntax.ForExpr:
		c.inFor++
		e.CollExpr = inParentheses(e.CollExpr, countElements)
	case *hclsyntax.TemplateExpr:
		if c.inFor == 0 && len(e.Parts) <= fewParts {
			break
		}
		for i, p := range e.Parts {
			if _, literal := p.(*hclsyntax.LiteralValueExpr); !literal {
				e.Parts[i] = inParentheses(p, countText)
			}
		}
	}
	return nil
}

func (c *counter) Exit(n hclsyntax.Node) hhcl.Diagnostics {
	if _, ok := n.(*hclsyntax.ForExpr); ok {
		c.inFor--
	}
	return nil
}

func countElements(ctx *hhcl.EvalContext, v cty.Value) (over bool, err error) {
	return madeIn(ctx).add(length(v), 0)
}

// countText looks for the count, which takes a while, only if there is something to count.
func countText(ctx *hhcl.EvalContext, v cty.Value) (over bool, err error) {
	if s, _ := textOf(v); len(s) <= shortText {
		return false, nil
	}
	return madeIn(ctx).addText(v)
}

func inParentheses(e hclsyntax.Expression, size func(*hhcl.EvalContext, cty.Value) (bool, error)) hclsyntax.Expression {
	return &counted{&hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, size}
}
