package hcl

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// reporter collects diagnostics. One kind of problem at one range is kept once: the same expression is evaluated for
// several platforms and on behalf of several targets, but it is one mistake.
type reporter struct {
	list diag.List
	seen map[seenKey]bool
	// functions are the names that can be called, to suggest one.
	functions map[string]function.Function
	// lenient makes errors warnings: they concern what nobody asked for.
	lenient bool
}

type seenKey struct {
	code string
	at   diag.Range
}

func (r *reporter) add(d diag.Diagnostic) {
	if d.Severity == "" {
		d.Severity = diag.Error
	}
	key := seenKey{d.Code, *d.Subject}
	if r.seen[key] {
		return
	}
	if r.seen == nil {
		r.seen = map[seenKey]bool{}
	}
	r.seen[key] = true
	if r.lenient && d.Severity == diag.Error {
		d.Severity = diag.Warning
	}
	r.list = append(r.list, d)
}

// errorf adds an error without notes. advice may be empty.
func (r *reporter) errorf(code string, at diag.Range, summary, advice, detail string, args ...any) {
	r.add(diag.Diagnostic{Code: code, Subject: &at, Summary: summary, Advice: advice, Detail: fmt.Sprintf(detail, args...)})
}

// hclCodes gives the code of HashiCorp's own diagnostics by the beginning of their summary.
var hclCodes = []struct{ prefix, code string }{
	{"Attribute redefined", codeDuplicateAttribute},
	{"Duplicate argument", codeDuplicateAttribute},
	{"Duplicate attribute", codeDuplicateAttribute},
	{"Unsupported argument", codeUnknownAttribute},
	{"Extraneous JSON object property", codeUnknownAttribute},
	{"Unsupported block type", codeUnknownBlock},
	{"Extraneous label", codeExtraLabel},
	{"Missing name for", codeMissingLabel},
	{"Missing block label", codeMissingLabel},
	{"Incorrect JSON value type", codeWrongType},
	{"Call to unknown function", codeUnknownFunction},
	{"Function calls not allowed", codeUnknownFunction},
	{"Not enough function arguments", codeBadCall},
	{"Too many function arguments", codeBadCall},
	{"Invalid function argument", codeBadCall},
	{"Invalid expanding argument", codeBadCall},
	{"Error in function call", codeBadCall},
	{"Unsupported attribute", codeBadReference},
	{"Missing map element", codeBadReference},
	{"Invalid index", codeBadReference},
	{"Attempt to", codeBadReference},
	{"Unknown variable", codeUnknownVariable},
	{"Inconsistent conditional", codeWrongType},
	{"Incorrect condition type", codeWrongType},
	{"Incorrect key type", codeWrongType},
	{"Invalid operand", codeWrongType},
	{"Invalid template interpolation", codeWrongType},
	{"Invalid 'for' condition", codeWrongType},
	{"Iteration over", codeWrongType},
}

// hcl adds a diagnostic of HashiCorp's library that concerns the file f. fallback is the code for summaries that are
// not in the table, at the range for those that have none.
func (r *reporter) hcl(f *File, d *hhcl.Diagnostic, fallback string, at diag.Range) {
	out := diag.Diagnostic{Severity: diag.Error, Code: fallback, Summary: d.Summary, Subject: &at}
	if d.Severity == hhcl.DiagWarning {
		out.Severity = diag.Warning
	}
	for _, c := range hclCodes {
		if strings.HasPrefix(d.Summary, c.prefix) {
			out.Code = c.code
			break
		}
	}
	if d.Subject != nil {
		rng := f.rng(*d.Subject)
		out.Subject = &rng
	}
	out.Detail, out.Advice = splitAdvice(hclRange().ReplaceAllString(withoutTrace(d.Detail), "$1:$2"))
	if out.Code == codeUnknownFunction { // the library's suggestion changes from run to run
		_, quoted, _ := strings.Cut(out.Detail, `"`)
		name, _, _ := strings.Cut(quoted, `"`)
		out.Advice = didYouMean(name, sortedKeys(r.functions))
	}
	r.add(out)
}

// hclRange is a position as HashiCorp's library writes it, file:line,column-column; ours is file:line:column.
var hclRange = lazyre.New(`(:\d+),(\d+)-[\d,]+`)

// withoutTrace drops the stack trace that go-cty puts into the message when a function panics on its arguments.
func withoutTrace(s string) string {
	if head, _, found := strings.Cut(s, "panic in function implementation"); found {
		return head + "it cannot be computed for these arguments."
	}
	return s
}

// splitAdvice takes the suggestion, with which HashiCorp's library ends some details, out of the detail.
func splitAdvice(s string) (detail, advice string) {
	if i := strings.LastIndex(s, " Did you mean "); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// rng converts a range and makes sure that it lies inside the text. Positions in the strings of a JSON file can be off,
// because HashiCorp's library counts in the decoded string.
func (f *File) rng(r hhcl.Range) diag.Range {
	out := diag.Range{Filename: f.Name, Start: pos(r.Start), End: pos(r.End)}
	if !f.json && r.End.Byte <= len(f.Bytes) && r.Start.Byte <= r.End.Byte {
		return out
	}
	start := max(0, min(r.Start.Byte, len(f.Bytes)))
	end := max(start, min(r.End.Byte, len(f.Bytes)))
	out.Start, out.End = f.posAt(start), f.posAt(end)
	return out
}

// memberRanges is where each string of a list stands that is written out; nil if it is not.
func (f *File) memberRanges(a *hhcl.Attribute) map[string]diag.Range {
	if a == nil {
		return nil
	}
	exprs, ds := hhcl.ExprList(a.Expr)
	if ds.HasErrors() {
		return nil
	}
	out := map[string]diag.Range{}
	for _, e := range exprs {
		if v, ds := e.Value(nil); !ds.HasErrors() && v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			out[v.AsString()] = f.rng(e.Range())
		}
	}
	return out
}

func pos(p hhcl.Pos) diag.Pos { return diag.Pos{Line: p.Line, Column: p.Column, Byte: p.Byte} }

// posAt is the position of a byte of the file.
func (f *File) posAt(i int) diag.Pos {
	line := sort.SearchInts(f.lines, i+1) // the lines that start at i or before
	return diag.Pos{Line: line, Column: utf8.RuneCount(f.Bytes[f.lines[line-1]:i]) + 1, Byte: i}
}

// lineStarts is the offset of each line of a text.
func lineStarts(text []byte) []int {
	out := []int{0}
	for i, c := range text {
		if c == '\n' {
			out = append(out, i+1)
		}
	}
	return out
}

// didYouMean is the advice for a name that was not found; empty if no candidate is near.
func didYouMean(name string, candidates []string) string {
	if s := schema.Suggest(name, candidates); s != "" {
		return fmt.Sprintf("Did you mean %q?", s)
	}
	return ""
}

// oneOf is didYouMean, or the list of what there is if no candidate is near.
func oneOf(name string, candidates []string) string {
	if s := didYouMean(name, candidates); s != "" {
		return s
	}
	if len(candidates) == 0 || len(candidates) > 12 {
		return ""
	}
	return "There is: " + strings.Join(candidates, ", ") + "."
}
