// Package git tells expressions about the commit that is checked out.
//
// In: a directory. Out: an [hcl.Git] whose functions look at the repository that holds the directory when they are called,
// each once. Promised: the commit and the branch are read from the repository's files, without a subprocess; the others run
// git, and no program that the repository's configuration names. Start with [At]; command.go has the only function that
// runs git.
package git

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/internal/regular"
)

// Placeholder has values of the right form and looks at nothing. It is for what must not run git: completion in a shell.
func Placeholder() *hcl.Git {
	text := func(s string) func() (string, error) { return func() (string, error) { return s, nil } }
	return &hcl.Git{Commit: text(strings.Repeat("0", 40)), Branch: text(""), Tag: text(""), Time: text("1970-01-01T00:00:00Z"),
		Dirty: func() (bool, error) { return false, nil }}
}

// At describes the repository that holds a directory.
func At(dir string) *hcl.Git {
	r := &repository{dir: dir}
	return &hcl.Git{
		Commit: sync.OnceValues(r.commit),
		Branch: sync.OnceValues(r.branch),
		Tag:    sync.OnceValues(r.tag),
		Time:   sync.OnceValues(r.time),
		Dirty:  sync.OnceValues(r.dirty),
	}
}

type repository struct{ dir string }

// hash is a commit in full, by SHA-1 or SHA-256.
var hash = lazyre.New(`^[0-9a-f]{40}(?:[0-9a-f]{24})?$`)

// top is the directory that holds .git.
func (r *repository) top() (string, error) {
	for d := r.dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, ".git")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", errors.New("there is no git repository")
		}
	}
}

// gitDir finds the directory with the state of the working tree; common is where the references of all working trees are.
func (r *repository) gitDir() (own, common string, err error) {
	top, err := r.top()
	if err != nil {
		return "", "", err
	}
	own = filepath.Join(top, ".git")
	if st, err := os.Stat(own); err == nil && !st.IsDir() { // of a worktree or a submodule
		text, err := regular.ReadFile(own)
		if err != nil {
			return "", "", err
		}
		own = strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:"))
		if !filepath.IsAbs(own) {
			own = filepath.Join(top, own)
		}
	}
	common = own
	if text, err := regular.ReadFile(filepath.Join(own, "commondir")); err == nil {
		if common = strings.TrimSpace(string(text)); !filepath.IsAbs(common) {
			common = filepath.Join(own, common)
		}
	}
	return own, common, nil
}

// head is the reference that is checked out, or, if there is none, the commit.
func (r *repository) head() (ref, commit, common string, err error) {
	own, common, err := r.gitDir()
	if err != nil {
		return "", "", "", err
	}
	text, err := regular.ReadFile(filepath.Join(own, "HEAD"))
	if err != nil {
		return "", "", "", fmt.Errorf("the git repository has no HEAD: %w", err)
	}
	s := strings.TrimSpace(string(text))
	if ref, ok := strings.CutPrefix(s, "ref: "); ok {
		return ref, "", common, nil
	}
	return "", s, common, nil
}

func (r *repository) commit() (string, error) {
	ref, commit, common, err := r.head()
	if err != nil {
		return "", err
	}
	if ref != "" {
		commit = readRef(common, ref)
	}
	if !hash().MatchString(commit) { // a reference to a reference, or kept in a form of git's own
		out, err := r.git("rev-parse", "--verify", "--quiet", "HEAD")
		if err != nil {
			return "", errors.New("there is no commit yet")
		}
		commit = out
	}
	return commit, nil
}

// readRef is the value of a reference, from its file or from the packed ones; empty if it is not found.
func readRef(common, ref string) string {
	if text, err := regular.ReadFile(filepath.Join(common, filepath.FromSlash(ref))); err == nil {
		return strings.TrimSpace(string(text))
	}
	text, err := regular.ReadFile(filepath.Join(common, "packed-refs"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if value, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == ref {
			return value
		}
	}
	return ""
}

func (r *repository) branch() (string, error) {
	ref, _, _, err := r.head()
	branch, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		return "", err
	}
	return branch, nil
}
