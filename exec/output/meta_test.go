//go:build unix

package output

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Hard links, attributes, modes and times of folders are those of the result, and what is so already is not touched.
func TestCommitMetadata(t *testing.T) {
	root, state := t.TempDir(), t.TempDir()
	dest := filepath.Join(root, "bin")
	stamp := time.Unix(1500000000, 0)
	if unix.Setxattr(root, "user.probe", []byte("x"), 0) != nil {
		t.Skip("the file system of the temporary directory has no extended attributes")
	}
	commit := func(content, attr string, mode os.FileMode) Result {
		s, err := NewStaging(state, []string{dest}, Owner{})
		must(t, err)
		defer s.Close()
		tree{"m/a": content, "m/d/x": "x"}.write(t, s.Dir())
		m := filepath.Join(s.Dir(), "m")
		must(t, os.Link(filepath.Join(m, "a"), filepath.Join(m, "b")))
		must(t, unix.Setxattr(filepath.Join(m, "d/x"), "user.k", []byte(attr), 0))
		must(t, os.Chmod(filepath.Join(m, "d"), mode))
		must(t, os.Chtimes(filepath.Join(m, "d"), stamp, stamp))
		r := commit1(t, s, Move{From: "m", Dest: dest})
		return r[0]
	}
	for _, tt := range []struct {
		what          string
		content, attr string
		mode          os.FileMode
		before        func()
		changed       int
	}{
		{"new", "1", "v", 0o750, func() {}, 3},
		{"the same", "1", "v", 0o750, func() {}, 0},
		{"another attribute", "1", "w", 0o750, func() {}, 1},
		{"another mode of a folder", "1", "w", 0o711, func() {}, 0},
		{"a link that was broken", "1", "w", 0o711, func() {
			must(t, os.Remove(filepath.Join(dest, "b")))
			tree{"b": "1"}.write(t, dest)
		}, 2},
		{"another content", "2", "w", 0o711, func() {}, 2},
		{"one link is gone", "2", "w", 0o711, func() { must(t, os.Remove(filepath.Join(dest, "a"))) }, 2},
	} {
		tt.before()
		if r := commit(tt.content, tt.attr, tt.mode); r.Changed != tt.changed {
			t.Errorf("%s: %d files were written, want %d", tt.what, r.Changed, tt.changed)
		}
		a, err := os.Lstat(filepath.Join(dest, "a"))
		must(t, err)
		b, err := os.Lstat(filepath.Join(dest, "b"))
		must(t, err)
		d, err := os.Lstat(filepath.Join(dest, "d"))
		must(t, err)
		if !os.SameFile(a, b) {
			t.Errorf("%s: a and b are two files", tt.what)
		}
		if d.Mode().Perm() != tt.mode || !d.ModTime().Equal(stamp) {
			t.Errorf("%s: the folder has %v and %v", tt.what, d.Mode(), d.ModTime())
		}
		value := make([]byte, 10)
		n, err := unix.Getxattr(filepath.Join(dest, "d/x"), "user.k", value)
		must(t, err)
		if string(value[:n]) != tt.attr {
			t.Errorf("%s: the attribute is %q", tt.what, value[:n])
		}
	}
}
