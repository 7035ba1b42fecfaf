package hcl

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/xbuild/xbuild/internal/lazyre"
)

// The limits of what a build file can make. They are far above what builds need, and keep a mistake, or a file that means
// harm, from taking all memory.
const (
	maxTargets = 100_000 // targets after matrices, and combinations of one matrix
	maxNesting = 1_000   // levels of brackets, operators and templates in one another
)

// The limits of a value. They are variables since tests reach smaller ones sooner.
var (
	maxText     = 64 << 20  // bytes of a string
	maxElements = 1_000_000 // elements of a list, set, map, tuple or object
)

// tooMany is the error of a value that would have too many elements.
func tooMany() error {
	return fmt.Errorf("the value would have more than %d elements, which is the limit: make a smaller one", maxElements)
}

// tooLong is the error of a string that would be too long.
func tooLong() error {
	return fmt.Errorf("the string would be longer than %d MB, which is the limit: make a shorter one, or keep it in a file that the build reads", maxText>>20)
}

// sizeError reports whether a value is too large. It looks at the value itself and not at its elements, each of which was
// looked at where it was made.
func sizeError(v cty.Value) error {
	if v == cty.NilVal {
		return nil
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	t := v.Type()
	switch {
	case t == cty.String:
		if len(v.AsString()) > maxText {
			return tooLong()
		}
	case t.IsObjectType() || t.IsTupleType() || t.IsCollectionType():
		if v.LengthInt() > maxElements {
			return tooMany()
		}
	}
	return nil
}

// evaluate is e.Value for all expressions of build files. A result above the limits is an error at the expression.
func evaluate(e hhcl.Expression, ctx *hhcl.EvalContext) (cty.Value, hhcl.Diagnostics) {
	v, ds := e.Value(ctx)
	if ds.HasErrors() {
		return v, ds
	}
	err := sizeError(v)
	if s, _ := textOf(v); err == nil && len(s) > maxText/fewParts { // many templates of few parts
		_, err = madeIn(ctx).add(0, len(s))
	}
	if err != nil {
		return cty.DynamicVal, append(ds, &hhcl.Diagnostic{Severity: hhcl.DiagError, Summary: "Value too large", Detail: upperFirst(err.Error()) + ".",
			Subject: e.Range().Ptr(), Expression: e, EvalContext: ctx})
	}
	return v, ds
}

// boundedAll is all of the functions with the limits kept, those of m among them.
func boundedAll(fs map[string]function.Function, m *made) map[string]function.Function {
	out := make(map[string]function.Function, len(fs))
	for name, f := range fs {
		out[name] = bounded(name, f, m)
	}
	return out
}

// bounded is a function that fails where its result would be above the limits: before the call where the arguments tell,
// as in [resultBounds], else after it. Unknown, marked and null arguments are left to the function.
func bounded(name string, f function.Function, m *made) function.Function {
	if name == "try" || name == "can" {
		return f // they give a value of an expression, and evaluate it each time they are asked for its type
	}
	open := func(p function.Parameter) function.Parameter {
		p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true
		return p
	}
	spec := &function.Spec{Description: f.Description()}
	for _, p := range f.Params() {
		spec.Params = append(spec.Params, open(p))
	}
	if p := f.VarParam(); p != nil {
		spec.VarParam = new(function.Parameter)
		*spec.VarParam = open(*p)
	}
	bound := resultBounds[name]
	spec.Type = func(args []cty.Value) (cty.Type, error) {
		if bound != nil {
			if err := bound(args); err != nil {
				return cty.DynamicPseudoType, err
			}
		}
		if len(args) > 0 && !slices.ContainsFunc(args, func(v cty.Value) bool { return !v.IsKnown() }) {
			return cty.DynamicPseudoType, nil // that of the value: the function finds it when it is called
		}
		return f.ReturnTypeForValues(args)
	}
	spec.Impl = func(args []cty.Value, t cty.Type) (cty.Value, error) {
		if m.isOver() {
			return cty.UnknownVal(t), nil
		}
		v, err := f.Call(args)
		if err == nil {
			err = sizeError(v)
		}
		if err != nil {
			return v, err
		}
		if over, err := m.addText(v); over {
			return cty.UnknownVal(t), err
		}
		return v, nil
	}
	return function.New(spec)
}

// resultBounds are the functions whose result can be much larger than their arguments. Each reports whether it would be too
// large, in time and memory that the arguments bound.
var resultBounds = map[string]func(args []cty.Value) error{
	"concat":        boundConcat,
	"csvdecode":     boundLines,
	"flatten":       boundFlatten,
	"format":        func(args []cty.Value) error { return boundFormat(args, 1) },
	"formatlist":    func(args []cty.Value) error { return boundFormat(args, longest(args)) },
	"indent":        boundIndent,
	"join":          boundJoin,
	"jsondecode":    boundJSON,
	"jsonencode":    func(args []cty.Value) error { return textError(textSize(args, 0)) },
	"regex_replace": boundRegexReplace,
	"regexall":      boundRegexAll,
	"replace":       boundReplace,
	"setproduct":    boundProduct,
	"split":         boundSplit,
}

// textOf is the string that a value is, and whether it is one.
func textOf(v cty.Value) (string, bool) {
	v, _ = v.Unmark()
	if v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
		return "", false
	}
	return v.AsString(), true
}

// textArgs is [textOf] for the first n arguments.
func textArgs(args []cty.Value, n int) ([]string, bool) {
	if len(args) < n {
		return nil, false
	}
	out := make([]string, n)
	for i := range out {
		var ok bool
		if out[i], ok = textOf(args[i]); !ok {
			return nil, false
		}
	}
	return out, true
}

// length is the number of elements of a value; 0 if it is not known or has none.
func length(v cty.Value) int {
	v, _ = v.Unmark()
	if t := v.Type(); !v.IsKnown() || v.IsNull() || !t.IsTupleType() && !t.IsObjectType() && !t.IsCollectionType() {
		return 0
	}
	return v.LengthInt()
}

// longest is the number of elements of the longest argument, at least 1.
func longest(args []cty.Value) int {
	n := 1
	for _, a := range args {
		n = max(n, length(a))
	}
	return n
}

// elements calls f with each element of a value until f gives false.
func elements(v cty.Value, f func(cty.Value) bool) {
	v, _ = v.Unmark()
	if length(v) == 0 {
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !f(e) {
			return
		}
	}
}

// textSize is at least how long the values are as text, with so many further bytes for each; it stops above the limit,
// since one value can be in many places.
func textSize(vs []cty.Value, each int) int {
	size := 0
	var add func(v cty.Value) bool
	add = func(v cty.Value) bool {
		s, _ := textOf(v)
		size += len(s) + each
		elements(v, func(e cty.Value) bool { size++; return add(e) })
		return size <= maxText
	}
	for _, v := range vs {
		if !add(v) {
			break
		}
	}
	return size
}

func textError(size int) error {
	if size > maxText {
		return tooLong()
	}
	return nil
}

// times is a product that stays above the limits where it would overflow.
func times(a, b int) int {
	if a > 0 && b > 1<<40/a {
		return 1 << 40
	}
	return a * b
}

func boundConcat(args []cty.Value) error {
	n := 0
	for _, a := range args {
		if n += length(a); n > maxElements {
			return tooMany()
		}
	}
	return nil
}

func boundFlatten(args []cty.Value) error {
	n := 0
	var add func(v cty.Value) bool
	add = func(v cty.Value) bool {
		if t := v.Type(); t.IsObjectType() || t.IsMapType() || length(v) == 0 {
			n++
			return n <= maxElements
		}
		elements(v, add)
		return n <= maxElements
	}
	for _, a := range args {
		if !add(a) {
			return tooMany()
		}
	}
	return nil
}

// formatNumbers finds the widths, precisions and positions of a verb.
var formatNumbers = lazyre.New(`%[^%a-zA-Z]*`)

func boundFormat(args []cty.Value, lines int) error {
	f, ok := textArgs(args, 1)
	if !ok || len(args) == 0 {
		return nil
	}
	one, verbs, again := len(f[0]), 0, false
	for _, verb := range formatNumbers().FindAllString(f[0], -1) {
		verbs++
		again = again || strings.Contains(verb, "[")
		for _, digits := range strings.FieldsFunc(verb, func(r rune) bool { return r < '0' || r > '9' }) {
			n, err := strconv.Atoi(digits)
			if err != nil || n > maxText {
				return tooLong()
			}
			one = min(one+n, 1<<40)
		}
	}
	rest := 0
	for _, a := range args[1:] {
		if s, ok := textOf(a); ok {
			rest += len(s)
		} else if lines == 1 {
			rest += textSize([]cty.Value{a}, 0)
		}
	}
	if again { // a position can take one argument again and again
		rest = times(rest, verbs)
	}
	return textError(times(min(one+rest, 1<<40), lines))
}

func boundIndent(args []cty.Value) error {
	if len(args) < 2 {
		return nil
	}
	s, ok := textOf(args[1])
	n, _ := args[0].Unmark()
	if !ok || n.Type() != cty.Number || !n.IsKnown() || n.IsNull() {
		return nil
	}
	spaces, _ := n.AsBigFloat().Int64()
	if spaces > int64(maxText) {
		return tooLong()
	}
	return textError(len(s) + times(strings.Count(s, "\n"), max(0, int(spaces))))
}

func boundJoin(args []cty.Value) error {
	sep, ok := textArgs(args, 1)
	if !ok {
		return nil
	}
	size := 0
	for _, list := range args[1:] {
		elements(list, func(e cty.Value) bool {
			s, _ := textOf(e)
			size += len(s) + len(sep[0])
			return size <= maxText+len(sep[0])
		})
		if size > maxText+len(sep[0]) {
			return tooLong()
		}
	}
	return nil
}

func boundJSON(args []cty.Value) error {
	s, ok := textArgs(args, 1)
	if !ok {
		return nil
	}
	if strings.Count(s[0], ",") > maxElements {
		return tooMany()
	}
	if at := deepJSON([]byte(s[0])); at >= 0 {
		return fmt.Errorf("the text is nested more than %d levels deep, which is the limit", maxNesting)
	}
	return nil
}

func boundLines(args []cty.Value) error {
	if s, ok := textArgs(args, 1); ok && strings.Count(s[0], "\n") > maxElements {
		return tooMany()
	}
	return nil
}

func boundRegexReplace(args []cty.Value) error {
	s, ok := textArgs(args, 3)
	if !ok || times(len(s[0])+1, len(s[2])) <= maxText && !strings.Contains(s[2], "$") {
		return nil
	}
	re, err := regexp.Compile(s[1])
	if err != nil {
		return nil // the function says so
	}
	// Each reference of the replacement gives at most what was matched, and the matches are parts of the text.
	matches := len(re.FindAllStringIndex(s[0], -1))
	return textError(times(len(s[0]), 1+strings.Count(s[2], "$")) + times(matches, len(s[2])))
}

func boundRegexAll(args []cty.Value) error {
	s, ok := textArgs(args, 2)
	if !ok || len(s[1]) <= maxElements {
		return nil
	}
	re, err := regexp.Compile(s[0])
	if err == nil && len(re.FindAllStringIndex(s[1], maxElements+1)) > maxElements {
		return tooMany()
	}
	return nil
}

func boundReplace(args []cty.Value) error {
	s, ok := textArgs(args, 3)
	if !ok || len(s[2]) <= len(s[1]) {
		return nil
	}
	return textError(len(s[0]) + times(strings.Count(s[0], s[1]), len(s[2])-len(s[1])))
}

func boundProduct(args []cty.Value) error {
	n := 1
	for _, a := range args {
		n = times(n, length(a))
	}
	if n > maxElements {
		return tooMany()
	}
	return nil
}

func boundSplit(args []cty.Value) error {
	s, ok := textArgs(args, 2)
	if ok && len(s[1]) > maxElements && strings.Count(s[1], s[0]) >= maxElements {
		return tooMany()
	}
	return nil
}

// tooManyTargets is what is wrong with a build file above the limit of targets.
var tooManyTargets = fmt.Sprintf("With this there are more than %d targets, which is the limit.", maxTargets)

// combinations is the number of cells of a matrix, at most one more than the limit of targets.
func combinations(axes map[string]cty.Value) int {
	n := 1
	for _, v := range axes {
		n = min(times(n, length(v)), maxTargets+1)
	}
	return n
}
