package atomicfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/xbuild/xbuild/internal/atomicfile"
)

// TestWrite: readers see whole files only, however many write at once, and nothing else stays in the directory.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	text := func(c byte) string { return strings.Repeat(string(c), 100_000) }
	if err := atomicfile.Write(path, []byte(text('a')), 0o640); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for c := byte('a'); c < 'e'; c++ {
		writers.Go(func() {
			for range 50 {
				if err := atomicfile.Write(path, []byte(text(c)), 0o640); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Go(func() {
		for {
			got, err := os.ReadFile(path)
			if err != nil || string(got) != text(got[0]) {
				t.Errorf("%d bytes (%v), not one of the texts", len(got), err)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o640 {
		t.Errorf("mode %v (%v)", st.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("the directory has %v (%v)", files, err)
	}
}

// TestWriteFails: an error leaves the old file, and no other.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub")
	if err := os.MkdirAll(filepath.Join(path, "child"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("x"), 0o644); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if err := atomicfile.Write(filepath.Join(dir, "missing", "file"), nil, 0o644); err == nil {
		t.Error("a file was written into a directory that does not exist")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the directory has %v (%v)", files, err)
	}
}
