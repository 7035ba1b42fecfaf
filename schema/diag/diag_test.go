package diag_test

import (
	"strings"
	"testing"

	"github.com/xbuild/xbuild/schema/diag"
)

func sample() (diag.List, diag.Sources) {
	src := diag.Sources{"x.hcl": []byte("target \"a\" {\n\tstrateegy = \"auto\"\n}\n")}
	at := &diag.Range{Filename: "x.hcl", Start: diag.Pos{Line: 2, Column: 2, Byte: 13}, End: diag.Pos{Line: 2, Column: 11, Byte: 22}}
	l := diag.List{}.Errorf("unknown-attribute", at, "There is no such attribute", "A target has no attribute %q.", "strateegy")
	l[0].Advice = `did you mean "strategy"?`
	l[0].Related = []diag.Related{{Range: *diag.LineRange("x.hcl", 1), Message: "in this block"}}
	return l, src
}

func TestText(t *testing.T) {
	l, src := sample()
	want := `error: There is no such attribute [unknown-attribute]
  --> x.hcl:2:2
    2 | 	strateegy = "auto"
      | 	^^^^^^^^^
  A target has no attribute "strateegy".
  x.hcl:1: in this block
  help: did you mean "strategy"?
`
	if got := diag.Text(l, src); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := diag.Text(l, nil); strings.Contains(got, " | ") || !strings.Contains(got, "x.hcl:2:2") {
		t.Errorf("without sources:\n%s", got)
	}
}

func TestGitHub(t *testing.T) {
	l, _ := sample()
	l[0].Detail = "100% wrong,\nsee above"
	want := "::error file=x.hcl,line=2,col=2,endLine=2,endColumn=10,title=There is no such attribute [unknown-attribute]" +
		"::100%25 wrong,%0Asee above%0Ax.hcl:1: in this block%0Adid you mean \"strategy\"?\n"
	if got := diag.GitHub(l); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// What would end a property or the message is escaped, and a message is never empty.
	odd := diag.List{{Severity: diag.Warning, Code: "c", Summary: "a: b, c", Subject: diag.LineRange("50%,x:y.hcl", 3)}}
	want = "::warning file=50%25%2Cx%3Ay.hcl,line=3,endLine=3,title=a%3A b%2C c [c]::a: b, c\n"
	if got := diag.GitHub(odd); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSorted(t *testing.T) {
	at := func(f string, line int) *diag.Range { return diag.LineRange(f, line) }
	l := diag.List{}.Errorf("b", at("b", 1), "s", "d").Errorf("a", at("a", 9), "s", "d").Errorf("a", at("a", 2), "s", "d").Errorf("a", at("a", 2), "s", "d")
	got := l.Sorted()
	var order []string
	for _, d := range got {
		order = append(order, d.Subject.String())
	}
	if strings.Join(order, " ") != "a:2 a:9 b:1" {
		t.Errorf("order %v", order)
	}
	if len(l) != 4 {
		t.Error("Sorted changed its receiver")
	}
}

func TestJSON(t *testing.T) {
	if got := string(diag.JSON(nil)); got != "[]\n" {
		t.Errorf("nil list: %q", got)
	}
	l, _ := sample()
	if got := string(diag.JSON(l)); !strings.Contains(got, `"code": "unknown-attribute"`) || !strings.Contains(got, `"line": 2`) {
		t.Errorf("%s", got)
	}
}
