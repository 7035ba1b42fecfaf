package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/xbuild/xbuild/schema/diag"
)

// Formattable reports whether a file is one that [Format] takes, by its name: native HCL, not JSON and not compose.
func Formattable(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".hcl") }

// Format gives the text of a native HCL file in its canonical form: indented by two spaces, with equals signs in columns.
// Comments, line ends and the order of everything stay; formatting twice changes nothing more. The text is nil if, and
// only if, the list has errors, which is when src is not HCL.
func Format(name string, src []byte) ([]byte, diag.List) {
	f := &File{Name: name, Path: name, Bytes: src, lines: lineStarts(src)}
	var r reporter
	ds := f.parse()
	for _, d := range ds {
		r.hcl(f, d, codeSyntax, f.start())
	}
	if ds.HasErrors() {
		return nil, r.list.Sorted()
	}
	return hclwrite.Format(src), nil
}
