package git_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/xbuild/xbuild/cmd/internal/git"
)

func wantDirty(t *testing.T, when, dir string, want bool) {
	t.Helper()
	if got, err := git.At(dir).Dirty(); err != nil || got != want {
		t.Errorf("%s: dirty is %v (%v), want %v", when, got, err, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFilters: a file that a filter keeps in another form is not dirty as long as git's own record of it holds, and is otherwise.
func TestFilters(t *testing.T) {
	dir := repository(t)
	run(t, dir, "config", "filter.big.clean", "tr a-z A-Z")
	run(t, dir, "config", "filter.big.smudge", "tr A-Z a-z")
	run(t, dir, "config", "filter.big.required", "true")
	big, plain := filepath.Join(dir, "big file"), filepath.Join(dir, "f")
	write(t, filepath.Join(dir, ".gitattributes"), "big* filter=big\n")
	write(t, big, "text")
	run(t, dir, "add", ".")
	run(t, dir, "commit", "-q", "-m", "two")
	wantDirty(t, "committed just now", dir, false)
	if err := os.Remove(big); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "checkout", "-q", ".")
	wantDirty(t, "checked out", dir, false)

	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(big, then, then); err != nil {
		t.Fatal(err)
	}
	wantDirty(t, "touched", dir, true)
	run(t, dir, "status")
	wantDirty(t, "touched, and looked at by git", dir, false)
	write(t, big, "tex2")
	wantDirty(t, "changed", dir, true)
	run(t, dir, "checkout", "-q", ".")
	write(t, plain, "3")
	wantDirty(t, "another file is changed", dir, true)
	run(t, dir, "checkout", "-q", ".")
	if err := os.Chtimes(plain, then, then); err != nil {
		t.Fatal(err)
	}
	wantDirty(t, "another file is touched", dir, false)

	run(t, dir, "config", "filter.a=b.clean", "cat")
	if _, err := git.At(dir).Dirty(); err == nil {
		t.Error("a filter that cannot be turned off is no error")
	}
}

// TestSubmodules: what is changed in a submodule counts, as do new commits and new files in it.
func TestSubmodules(t *testing.T) {
	dir, origin := repository(t), repository(t)
	run(t, dir, "-c", "protocol.file.allow=always", "submodule", "add", "-q", origin, "sub")
	run(t, dir, "commit", "-q", "-m", "two")
	sub := filepath.Join(dir, "sub")
	wantDirty(t, "committed", dir, false)
	write(t, filepath.Join(sub, "f"), "2")
	wantDirty(t, "changed file", dir, true)
	run(t, sub, "checkout", "-q", ".")
	wantDirty(t, "restored", dir, false)
	write(t, filepath.Join(sub, "new"), "2")
	wantDirty(t, "new file", dir, true)
	run(t, sub, "add", ".")
	run(t, sub, "commit", "-q", "-m", "new")
	wantDirty(t, "new commit", dir, true)
	run(t, dir, "commit", "-q", "-a", "-m", "three")
	wantDirty(t, "new commit committed", dir, false)
	run(t, dir, "submodule", "deinit", "-q", "-f", "sub")
	wantDirty(t, "not checked out", dir, false)
}
