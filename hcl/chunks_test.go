package hcl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// manyBlocks is a file that is long enough for several chunks; extra stands in the middle of it.
func manyBlocks(extra string) []byte {
	var w strings.Builder
	for i := range 1000 {
		if i == 500 {
			w.WriteString(extra)
		}
		fmt.Fprintf(&w, "target \"t%d\" {\n  args = { A = \"${upper(\"é\")}\", B = %d }\n}\n", i, i)
	}
	return []byte(w.String())
}

// TestChunksAreTheWhole compares files that are read in chunks with the same files read as a whole: every range, and every
// diagnostic.
func TestChunksAreTheWhole(t *testing.T) {
	for name, c := range map[string]struct {
		extra  string
		chunks bool // the chunks can be put together
	}{
		"plain":             {"", true},
		"attribute":         {"x = 1\n", true},
		"heredoc":           {"x = <<E\n}\n" + strings.Repeat("}\ntext\n", 4000) + "E\n", false},
		"comment":           {"/*\n" + strings.Repeat("}\ntext\n", 4000) + "*/\n", false},
		"attribute twice":   {"x = 1\n" + string(manyBlocks("")) + "x = 2\n", false},
		"error":             {"target {{\n", false},
		"unbalanced":        {"}\n", false},
		"line feeds of DOS": {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			src := manyBlocks(c.extra)
			if strings.Contains(name, "DOS") {
				src = bytes.ReplaceAll(src, []byte("\n}\n"), []byte("\r\n}\n"))
			}
			chunks := chunksOf(src)
			if len(chunks) < 3 {
				t.Fatalf("only %d chunks of %d bytes", len(chunks), len(src))
			}
			if got := parseChunks(src, "f.hcl", chunks); (got != nil) != c.chunks {
				t.Errorf("the chunks can be put together: %v, want %v", got != nil, c.chunks)
			}
			got, ds := parseNative(src, "f.hcl")
			want, wantDs := hclsyntax.ParseConfig(src, "f.hcl", hhcl.InitialPos)
			if d := cmp.Diff(wantDs.Error(), ds.Error()); d != "" {
				t.Errorf("diagnostics (-whole +chunks):\n%s", d)
			}
			if ds.HasErrors() {
				return
			}
			opts := []cmp.Option{cmpopts.IgnoreUnexported(hclsyntax.Body{}, hclsyntax.TemplateExpr{}, hclsyntax.FunctionCallExpr{},
				hclsyntax.ObjectConsExpr{}, hclsyntax.ObjectConsKeyExpr{}, hclsyntax.LiteralValueExpr{}), cmp.Comparer(func(a, b hclsyntax.Expression) bool {
				return a.Range() == b.Range() && fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b)
			})}
			if d := cmp.Diff(want.Body, got, opts...); d != "" {
				t.Errorf("(-whole +chunks):\n%.2000s", d)
			}
		})
	}
}
