package schema_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/schema"
)

func TestParseRef(t *testing.T) {
	for s, want := range map[string]schema.Ref{
		"":                                  {Kind: schema.LocalRef},
		".":                                 {Kind: schema.LocalRef, Value: "."},
		"r.git":                             {Kind: schema.LocalRef, Value: "r.git"},
		"-":                                 {Kind: schema.StdinRef, Value: "-"},
		"cwd://sub/dir":                     {Kind: schema.LocalRef, Value: "sub/dir", WorkingDir: true},
		"cwd://":                            {Kind: schema.LocalRef, WorkingDir: true},
		"target:app":                        {Kind: schema.TargetRef, Value: "app"},
		"docker-image://alpine:3":           {Kind: schema.ImageRef, Value: "alpine:3"},
		"oci-layout://d/e:1@sha256:0":       {Kind: schema.OCILayoutRef, Value: "d/e:1@sha256:0"},
		"deploy@host:org/repo.git#main:sub": {Kind: schema.GitRef, Value: "deploy@host:org/repo.git#main:sub", Host: "host", SSH: true},
		"https://h:1/r.git?ref=a":           {Kind: schema.GitRef, Value: "https://h:1/r.git?ref=a", Host: "h:1"},
		"ssh://git@h/r":                     {Kind: schema.GitRef, Value: "ssh://git@h/r", Host: "h", SSH: true},
		"github.com/o/r":                    {Kind: schema.GitRef, Value: "github.com/o/r", Host: "github.com", Ambiguous: true},
		"https://h/x.tar.gz":                {Kind: schema.HTTPRef, Value: "https://h/x.tar.gz"},
		"ftp://h/x":                         {Kind: schema.UnknownRef, Value: "ftp://h/x"},
		"/a/ftp://h":                        {Kind: schema.LocalRef, Value: "/a/ftp://h"},
	} {
		want.Text = s
		if got := schema.ParseRef(s); got != want {
			t.Errorf("%q: %+v, want %+v", s, got, want)
		}
	}
	if got := schema.ParseRef("oci-layout:///d:5/e:1@sha256:0").LayoutDir(); got != "/d:5/e" {
		t.Errorf("directory of a layout: %q", got)
	}
}

// marks are what references to contexts begin with.
var marks = []string{"http://", "https://", "git://", "ssh://", "git@", "github.com/", "docker-image:", "docker-image://", "oci-layout:",
	"oci-layout://", "target:", "cwd://"}

// otherMarks are the places where such a text is no reference to a context.
var otherMarks = map[string]string{
	"exec/buildkit/engine/engine.go http://": "the address of a Docker Engine",
	"exec/buildkit/steps.go docker-image://": "names of sources in BuildKit's build graph, which are made of references",
}

// TestOneParser: no other code looks at what a reference to a context begins with. A literal of such a beginning is a parser,
// or the making of a reference, for which there are functions too.
func TestOneParser(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(filepath.ToSlash(p), "../")
		if d.IsDir() {
			if name := d.Name(); rel == "e2e" || name == "testdata" || name == "examples" || name == "tmp" || strings.HasPrefix(name, ".") && name != ".." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") || rel == "schema/ref.go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if s, err := strconv.Unquote(lit.Value); err == nil && slices.Contains(marks, s) {
				if key := rel + " " + s; otherMarks[key] != "" {
					used[key] = true
				} else {
					t.Errorf("%s has the text %q: use schema.ParseRef, and the functions beside it", rel, s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range otherMarks {
		if !used[key] {
			t.Errorf("%s is excepted, and not there", key)
		}
	}
}
