package reference_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xbuild/xbuild/cmd/internal/reference"
	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema"
)

const pageFile = "../../../docs/reference.md"

// diagnostics splits what a user sees into single diagnostics, by code.
var firstLine = regexp.MustCompile(`(?m)^(?:error|warning|note): .* \[([a-z-]+)\]$`)

// shown gives for each code the shortest example among the front end's golden files, which its tests run.
func shown(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range archives(t) {
		if f.Name != "diags" {
			continue
		}
		for _, text := range strings.SplitAfter(string(f.Data), "\n\n") {
			text = strings.TrimRight(text, "\n")
			m := firstLine.FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("not a diagnostic:\n%s", text)
			}
			old, ok := out[m[1]]
			if !ok || len(text) < len(old) || len(text) == len(old) && text < old {
				out[m[1]] = text
			}
		}
	}
	return out
}

// TestPageIsCurrent: docs/reference.md is what the tables say. XBUILD_UPDATE=1 writes it.
func TestPageIsCurrent(t *testing.T) {
	examples := shown(t)
	for _, c := range hcl.Codes {
		if examples[c.Name] == "" {
			t.Errorf("no golden file shows %s", c.Name)
		}
	}
	page := reference.Page(examples)
	for _, b := range schema.Language {
		for _, a := range b.Attributes {
			if !strings.Contains(page, "| `"+a.Name+"` |") || !strings.Contains(page, a.Doc[:10]) {
				t.Errorf("%s.%s is not on the page", b.Name, a.Name)
			}
		}
	}
	if os.Getenv("XBUILD_UPDATE") != "" {
		if err := os.WriteFile(pageFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(have), page); d != "" {
		t.Errorf("docs/reference.md is out of date; XBUILD_UPDATE=1 go test ./cmd/internal/reference writes it (-file +tables):\n%s", d)
	}
}
