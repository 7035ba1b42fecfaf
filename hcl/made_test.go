package hcl

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// TestNothingToCount: where the text is said to have nothing that counts, the syntax has nothing either.
func TestNothingToCount(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"${a}", "${a\n}", "%{if a}x%{endif}", "%{ for x in y }x%{ endfor }", "for", "platform", " ", "text", "$${", "${ {b = 1}.b }", "${[for x in y: x][0]}", "${\n[for\nx in y: x][0]}", "{", "}"}
	walked := 0
	for range 20_000 {
		var b strings.Builder
		for i := range 1 + rnd.IntN(2) {
			var v strings.Builder
			for range rnd.IntN(8) {
				v.WriteString(pieces[rnd.IntN(len(pieces))])
			}
			switch rnd.IntN(4) {
			case 0:
				fmt.Fprintf(&b, "v%d = <<E\n%s\nE\n", i, v.String())
			case 1:
				fmt.Fprintf(&b, "v%d = [for x in y: \"%s\"]\n", i, v.String())
			default:
				fmt.Fprintf(&b, "b {\n v%d = { k = \"%s\" }\n}\n", i, v.String())
			}
		}
		src := []byte(b.String())
		f, ds := hclsyntax.ParseConfig(src, "x.hcl", hhcl.InitialPos)
		if ds.HasErrors() {
			continue
		}
		found := false
		_ = hclsyntax.VisitAll(f.Body.(*hclsyntax.Body), func(n hclsyntax.Node) hhcl.Diagnostics {
			switch e := n.(type) {
			case *hclsyntax.ForExpr:
				found = true
			case *hclsyntax.TemplateExpr:
				found = found || len(e.Parts) > fewParts
			}
			return nil
		})
		if found {
			walked++
			if !hasFor(src) && !manyParts(src) {
				t.Fatalf("nothing is said to count in\n%s", src)
			}
		}
	}
	if walked < 1000 {
		t.Errorf("only %d texts had something to count", walked)
	}
}
