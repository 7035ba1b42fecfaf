package output

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommitFile: a single file is replaced in one piece, beside others that stay, and only if it differs.
func TestCommitFile(t *testing.T) {
	dir := t.TempDir()
	dest, other := filepath.Join(dir, "new", "app.tar"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		s, err := NewStaging(t.TempDir(), []string{filepath.Join(dir, "folder")}, Owner{}, dest)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(s.Dir(), "a"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Dir(), "a", "x.tar"), []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := s.Commit([]Move{{From: "a/x.tar", Dest: dest, File: true}})
		if err != nil || r[0].Changed != want || r[0].Files != 1 || r[0].Bytes != 7 {
			t.Errorf("commit %d: %+v, %v", i, r, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if data, err := os.ReadFile(dest); string(data) != "content" {
		t.Errorf("%s has %q (%v)", dest, data, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", ".xbuild*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFileDestinationsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := NewStaging(t.TempDir(), nil, Owner{}, filepath.Join(dir, "folder")); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder as a file: %v", err)
	}
	s, err := NewStaging(t.TempDir(), nil, Owner{}, filepath.Join(dir, "a.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Commit([]Move{{From: "x", Dest: filepath.Join(dir, "b.tar"), File: true}}); err == nil || !strings.Contains(err.Error(), "no output of this run") {
		t.Errorf("a file that was not announced: %v", err)
	}
	if _, err := s.Commit([]Move{{From: "x", Dest: filepath.Join(dir, "a.tar"), File: true}}); err == nil || !strings.Contains(err.Error(), "made no file") {
		t.Errorf("a file that is not there: %v", err)
	}
}
