package buildkit

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestStateIsInNoContext: xbuild's own directory is left out of a context that holds it, also where links lead to one of them.
func TestStateIsInNoContext(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"a", "b/state/secret", "b/state2/kept", "c/state"} {
		path := filepath.Join(dir, "real", f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"real", "real/b/state"}, {"link", "real/b/state"}, {"real", "link/b/state"}, {"real", "elsewhere"}} {
		d := newDirSource(filepath.Join(dir, c[1]))
		name, err := d.add(filepath.Join(dir, c[0]))
		if err != nil {
			t.Fatal(err)
		}
		served, _ := d.LookupDir(name)
		var got []string
		if err := served.Walk(context.Background(), "", func(p string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				got = append(got, p)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		want := []string{"a", "b/state/secret", "b/state2/kept", "c/state"}
		if c[1] != "elsewhere" {
			want = slices.Delete(want, 1, 2)
		}
		if !slices.Equal(got, want) {
			t.Errorf("context %s with the state directory %s: got %v, want %v", c[0], c[1], got, want)
		}
	}
}
