package hcl

import (
	"bytes"
	"encoding/json"
	"fmt"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// tooDeep is the diagnostic of a text that is nested too deep. Parsers and the evaluation call themselves for each level,
// and a program whose stack is full cannot go on.
func tooDeep(at hhcl.Range) *hhcl.Diagnostic {
	return &hhcl.Diagnostic{Severity: hhcl.DiagError, Summary: "Nested too deep", Subject: &at,
		Detail: fmt.Sprintf("From here on this is nested more than %d levels deep, which is the limit. Give the inner parts names of their own.", maxNesting)}
}

// mayNest reports whether a text has enough characters to nest too deep. It is a quick look, so that nearly no text is read
// by the scanner twice.
func mayNest(src []byte) bool {
	n := 0
	for _, c := range src {
		switch c {
		case '(', '[', '{', '!', '-', '+', '*', '/', '%', '&', '|', '<', '>', '?', '\\', '.':
			if n++; n > maxNesting {
				return true
			}
		}
	}
	return false
}

// deepNative is where a text in HCL's native syntax is nested too deep; nil if it is not.
func deepNative(src []byte, name string, start hhcl.Pos) *hhcl.Diagnostic {
	if !mayNest(src) {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(src, name, start)
	return deepTokens(tokens)
}

// level is what is open at one place of a text.
type level struct {
	operators int  // of the expression that is read
	lines     bool // a line feed ends an expression
}

// deepTokens is the first place where tokens are nested too deep.
func deepTokens(tokens hclsyntax.Tokens) *hhcl.Diagnostic {
	open := []level{{lines: true}}
	operators := 0 // of all levels
	end := func() {
		top := &open[len(open)-1]
		operators -= top.operators
		top.operators = 0
	}
	for i, t := range tokens {
		top := &open[len(open)-1]
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			if t.Type == hclsyntax.TokenTemplateControl && i+1 < len(tokens) {
				switch string(tokens[i+1].Bytes) { // what is between if and endif is nested
				case "if", "for":
					top.operators++
					operators++
				case "endif", "endfor":
					top.operators--
					operators--
				}
			}
			open = append(open, level{lines: t.Type == hclsyntax.TokenOBrace})
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			end()
			if len(open) > 1 {
				open = open[:len(open)-1]
			}
		case hclsyntax.TokenComma:
			end()
		case hclsyntax.TokenNewline:
			if top.lines {
				end()
			}
		case hclsyntax.TokenPlus, hclsyntax.TokenMinus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenBang, hclsyntax.TokenAnd, hclsyntax.TokenOr,
			hclsyntax.TokenQuestion, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq:
			top.operators++
			operators++
		}
		if len(open)+operators > maxNesting+1 {
			return tooDeep(t.Range)
		}
	}
	return nil
}

// deepJSON is the offset at which a JSON text is nested too deep; -1 if it is not.
func deepJSON(src []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxNesting {
				return i
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return -1
}

// deepInJSON is where a build file in JSON is nested too deep, also in the templates of its strings; nil if it is not.
func deepInJSON(src []byte, name string) *hhcl.Diagnostic {
	if !mayNest(src) {
		return nil
	}
	at := func(i, end int) hhcl.Range {
		line := bytes.Count(src[:i], []byte("\n"))
		col := i - (bytes.LastIndexByte(src[:i], '\n') + 1)
		p := hhcl.Pos{Line: line + 1, Column: col + 1, Byte: i}
		return hhcl.Range{Filename: name, Start: p, End: hhcl.Pos{Line: p.Line, Column: p.Column + end - i, Byte: end}}
	}
	if i := deepJSON(src); i >= 0 {
		return tooDeep(at(i, i+1))
	}
	for i := 0; i < len(src); i++ {
		if src[i] != '"' {
			continue
		}
		end := i + 1
		for end < len(src) && src[end] != '"' {
			if src[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(src))
		if s := src[i:end]; mayNest(s) {
			var text string
			if json.Unmarshal(s, &text) == nil {
				if tokens, _ := hclsyntax.LexTemplate([]byte(text), name, hhcl.InitialPos); deepTokens(tokens) != nil {
					return tooDeep(at(i, end))
				}
			}
		}
		i = end - 1
	}
	return nil
}
