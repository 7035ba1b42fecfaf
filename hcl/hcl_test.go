package hcl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSettersFollowTheTable compares the one list of attribute names in code with the table.
func TestSettersFollowTheTable(t *testing.T) {
	var want []string
	for _, a := range language.Block("target").Attributes {
		if a.Platform {
			want = append(want, a.Name)
		}
	}
	slices.Sort(want)
	if d := cmp.Diff(want, sortedKeys(setters)); d != "" {
		t.Errorf("setters (-table +code):\n%s", d)
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	repo := filepath.Join(root, "repo")
	deep := filepath.Join(repo, "a", "b")
	for _, dir := range []string{deep, filepath.Join(repo, ".git"), filepath.Join(repo, "c", "xbuild.hcl")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	find := func(dir, want string) {
		t.Helper()
		got, err := Find(dir)
		if err != nil || got != want {
			t.Errorf("Find(%s) = %q, %v; want %q", dir, got, err, want)
		}
	}
	write(filepath.Join(root, "xbuild.hcl")) // above the repository: never found
	_, err := Find(deep)
	want := fmt.Sprintf("there is no xbuild.hcl or xbuild.hcl.json and no file that Bake reads in %s or in a folder above it, up to %s: create xbuild.hcl there, or name a build file with -f", deep, repo)
	if err == nil || err.Error() != want {
		t.Errorf("Find = %v, want %s", err, want)
	}
	if _, err := Find(repo); err == nil || strings.Contains(err.Error(), "above") {
		t.Errorf("Find in the repository root = %v; want an error that names only that folder", err)
	}
	write(filepath.Join(repo, "xbuild.hcl.json"))
	find(deep, filepath.Join(repo, "xbuild.hcl.json"))
	find(filepath.Join(repo, "c"), filepath.Join(repo, "xbuild.hcl.json")) // the folder c/xbuild.hcl is no build file
	write(filepath.Join(repo, "xbuild.hcl"))
	find(deep, filepath.Join(repo, "xbuild.hcl"))
	write(filepath.Join(deep, "xbuild.hcl"))
	find(deep, filepath.Join(deep, "xbuild.hcl"))
	find(root, filepath.Join(root, "xbuild.hcl"))
}

// BenchmarkLoad reads a build file of 1000 targets for five platforms.
func BenchmarkLoad(b *testing.B) {
	var src strings.Builder
	src.WriteString("platforms \"p\" { list = [\"linux/amd64\", \"linux/arm64\", \"linux/arm/v7\", \"darwin/arm64\", \"windows/amd64\"] }\n")
	src.WriteString("target \"base\" {\n  platforms = platforms.p\n  args = { OUT = \"x-${platform.slug}\" }\n}\n")
	for i := range 1000 {
		fmt.Fprintf(&src, "target \"t%d\" {\n  inherits = [\"base\"]\n  args = { N = %d }\n  output = [\"bin\"]\n}\n", i, i)
	}
	for b.Loop() {
		f, diags := Parse("xbuild.hcl", "/src/xbuild.hcl", []byte(src.String()))
		if diags.HasErrors() {
			b.Fatal(diags)
		}
		if _, diags := Load([]*File{f}, Env{Dir: "/src"}); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}
