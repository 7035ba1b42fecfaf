package hcl_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema/diag"
)

// TestValidateSaysMore holds Validate against Load on every case: what is wrong for Load is wrong for Validate, which has
// at least the same mistakes to tell. The case's targets are asked for, as for Load.
func TestValidateSaysMore(t *testing.T) {
	n := 0
	for _, c := range testCases(t) {
		var files []*hcl.File
		broken := false
		for _, f := range c.archive.Files {
			if strings.HasSuffix(f.Name, ".hcl") || strings.HasSuffix(f.Name, ".json") || strings.HasSuffix(f.Name, ".yml") {
				file, ds := hcl.Parse(f.Name, "/src/"+f.Name, f.Data)
				broken = broken || ds.HasErrors()
				files = append(files, file)
			}
		}
		if broken || len(files) == 0 {
			continue
		}
		n++
		env := c.env()
		_, loaded := hcl.Load(files, env)
		cfg, checked := hcl.Validate(files, env)
		for _, d := range loaded {
			if d.Severity == diag.Error && !slices.ContainsFunc(checked, func(o diag.Diagnostic) bool { return o.Code == d.Code && *o.Subject == *d.Subject }) {
				t.Errorf("%s: only Load says: %v", c.name, d)
			}
		}
		if !loaded.HasErrors() && checked.HasErrors() {
			// Validate also looks whether what the case asks for exists.
			for _, d := range checked {
				if d.Severity == diag.Error && d.Code != "unknown-target" {
					t.Errorf("%s: only Validate says: %v", c.name, d)
				}
			}
		}
		for _, d := range checked {
			if err := rangesInside(d, cfg.Sources); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d cases", n)
	}
}

// TestValidateBake: one mistake does not hide those of other kinds, and none is told twice in another form.
func TestValidateBake(t *testing.T) {
	const name = "docker-bake.hcl"
	file, ds := hcl.Parse(name, "/src/"+name, []byte(`variable "A" { default = nope }
variable "B" { default = "x" + 1 }
variable "C" {
  type    = list(strin)
  default = []
}
function "f" {
  params = ["a"]
  result = 1
}
target "one" { args = { A = A, F = f(1), B = B } }
target "two" {
  tags    = 5
  context = uper("x")
}
target "m" {
  name   = "m ${x}"
  matrix = { x = ["a"] }
}
target "three" { args = { M = target.m-a.context, A = target.two.tags } }
group "g" { targets = "x" }
platforms "p" {}
`))
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	_, ds = hcl.Validate([]*hcl.File{file}, hcl.Env{Dir: "/src"})
	var got []string
	for _, d := range ds {
		got = append(got, string(d.Severity)+" "+d.Subject.String()+" "+d.Code)
	}
	want := []string{
		"error docker-bake.hcl:1:26 unknown-variable", "error docker-bake.hcl:2:26 wrong-type", "error docker-bake.hcl:4:18 bad-expression",
		"error docker-bake.hcl:8:13 bad-function", "error docker-bake.hcl:13:13 wrong-type", "error docker-bake.hcl:14:13 unknown-function",
		"error docker-bake.hcl:17:12 bad-name", "error docker-bake.hcl:21:23 wrong-type", "warning docker-bake.hcl:22:1 unknown-block",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzValidate feeds any text to Validate, as each of the formats: nothing may panic, and every diagnostic must point into
// a text that the user gave.
func FuzzValidate(f *testing.F) {
	names := []string{"xbuild.hcl", "xbuild.hcl.json", "docker-bake.hcl", "docker-bake.json", "compose.yml", "build"}
	for _, c := range testCases(f) {
		for _, in := range c.archive.Files {
			for i, name := range names {
				if filepath.Ext(in.Name) == filepath.Ext(name) {
					f.Add(in.Data, byte(i))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, kind byte) {
		name := names[int(kind)%len(names)]
		file, ds := hcl.Parse(name, "/src/"+name, src)
		if file == nil {
			return
		}
		cfg, more := hcl.Validate([]*hcl.File{file}, hcl.Env{Dir: "/src", LocalPlatform: "linux/amd64", Portable: true})
		for _, d := range append(ds, more...) {
			if err := rangesInside(d, cfg.Sources); err != nil {
				t.Error(err)
			}
		}
		if cfg, ds := hcl.List([]*hcl.File{file}, hcl.Env{Dir: "/src"}); cfg == nil || cfg.Sources == nil {
			t.Errorf("List: %v, %v", cfg, ds)
		}
	})
}
