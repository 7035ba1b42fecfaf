package hcl_test

import (
	"bytes"
	"strings"
	"testing"

	hhcl "github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/xbuild/xbuild/hcl"
)

// words are the tokens of a text without the blanks between them.
func words(src []byte) string {
	tokens, _ := hclsyntax.LexConfig(src, "", hhcl.InitialPos)
	var b strings.Builder
	for _, t := range tokens {
		b.Write(t.Bytes)
		b.WriteByte(0)
	}
	return b.String()
}

// checkFormat checks that formatting changes blanks only, and nothing the second time.
func checkFormat(t *testing.T, name string, src []byte) {
	out, ds := hcl.Format(name, src)
	if ds.HasErrors() {
		if out != nil {
			t.Errorf("%s: a text beside errors", name)
		}
		for _, d := range ds {
			if err := rangesInside(d, map[string][]byte{name: src}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if words(src) != words(out) {
		t.Errorf("%s: formatting changed more than blanks:\n%s\nbecame\n%s", name, src, out)
	}
	again, ds := hcl.Format(name, out)
	if ds.HasErrors() || !bytes.Equal(out, again) {
		t.Errorf("%s: the second time gives another text:\n%s\nbecame\n%s\n%v", name, out, again, ds)
	}
}

func TestFormatKeepsEveryCase(t *testing.T) {
	n := 0
	for _, c := range testCases(t) {
		for _, f := range c.archive.Files {
			if hcl.Formattable(f.Name) {
				n++
				checkFormat(t, c.name+"/"+f.Name, f.Data)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d files were formatted", n)
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"target \"a\" {\nargs={\nA=1\nBCD   = 2\n}\n}\n", "target \"a\" {\n  args = {\n    A   = 1\n    BCD = 2\n  }\n}\n"},
		{"a=1\r\nbc=2 # two\r\n", "a  = 1\r\nbc = 2 # two\r\n"},
		{"t = <<EOT\n   kept\n\tas it is  \nEOT\n", "t = <<EOT\n   kept\n\tas it is  \nEOT\n"},
		{"", ""},
	} {
		if got, ds := hcl.Format("x.hcl", []byte(c.in)); string(got) != c.want || len(ds) > 0 {
			t.Errorf("%q became %q, want %q (%v)", c.in, got, c.want, ds)
		}
	}
	if out, ds := hcl.Format("x.hcl", []byte("a = \n")); out != nil || !ds.HasErrors() || ds[0].Code != "syntax" {
		t.Errorf("a broken text gives %q, %v", out, ds)
	}
}

func FuzzFormat(f *testing.F) {
	for _, c := range testCases(f) {
		for _, file := range c.archive.Files {
			if hcl.Formattable(file.Name) {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) { checkFormat(t, "x.hcl", src) })
}
