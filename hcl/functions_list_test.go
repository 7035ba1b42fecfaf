package hcl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xbuild/xbuild/schema"
)

// TestFunctionsAreDescribed: every function has a sentence of our own, and no sentence is left over.
func TestFunctionsAreDescribed(t *testing.T) {
	known := map[string]bool{}
	for _, f := range Functions() {
		known[f.Name] = true
		if own, ok := pureFunctions[f.Name]; ok && functionDocs[f.Name] != "" && own.Description() == f.Doc {
			t.Errorf("%s is described in the library's words", f.Name)
		}
		if !strings.HasSuffix(f.Doc, ".") || !strings.HasPrefix(f.Signature, f.Name+"(") {
			t.Errorf("%s: %q", f.Signature, f.Doc)
		}
	}
	for name := range functionDocs {
		if !known[name] {
			t.Errorf("there is no function %s", name)
		}
	}
	if len(known) < 106 {
		t.Errorf("%d functions, want the 106 of Bake and more", len(known))
	}
}

// TestBuiltinsAreDescribed: the attributes of platform and git are those that expressions can read.
func TestBuiltinsAreDescribed(t *testing.T) {
	attrs := sortedKeys(platformObject(schema.MustPlatform("linux/arm64")).AsValueMap())
	if d := cmp.Diff(attrs, sortedKeys(platformDocs)); d != "" {
		t.Errorf("platform (-read +described):\n%s", d)
	}
	if d := cmp.Diff(gitFields, sortedKeys(gitDocs)); d != "" {
		t.Errorf("git (-read +described):\n%s", d)
	}
}
