// Package git tells expressions about the commit that is checked out.
//
// In: a folder. Out: an [hcl.Git] whose functions look at the repository that holds the folder when they are called, each
// once. Promised: the commit and the branch are read from the repository's files, without a subprocess; the tag, the time
// and whether something is changed take one run of git each. Start with [At].
package git

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/schema/lazyre"
)

// At describes the repository that holds a folder.
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

// gitDir finds the folder with the state of the working tree; common is where the references of all working trees are.
func (r *repository) gitDir() (own, common string, err error) {
	for d := r.dir; ; d = filepath.Dir(d) {
		p := filepath.Join(d, ".git")
		if st, err := os.Stat(p); err == nil {
			if own = p; !st.IsDir() { // of a worktree or a submodule
				text, err := os.ReadFile(p)
				if err != nil {
					return "", "", err
				}
				own = strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:"))
				if !filepath.IsAbs(own) {
					own = filepath.Join(d, own)
				}
			}
			break
		}
		if d == filepath.Dir(d) {
			return "", "", errors.New("there is no git repository")
		}
	}
	common = own
	if text, err := os.ReadFile(filepath.Join(own, "commondir")); err == nil {
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
	text, err := os.ReadFile(filepath.Join(own, "HEAD"))
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
		out, err := r.run("rev-parse", "--verify", "--quiet", "HEAD")
		if err != nil {
			return "", errors.New("there is no commit yet")
		}
		commit = out
	}
	return commit, nil
}

// readRef is the value of a reference, from its file or from the packed ones; empty if it is not found.
func readRef(common, ref string) string {
	if text, err := os.ReadFile(filepath.Join(common, filepath.FromSlash(ref))); err == nil {
		return strings.TrimSpace(string(text))
	}
	text, err := os.ReadFile(filepath.Join(common, "packed-refs"))
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

func (r *repository) tag() (string, error) {
	out, err := r.run("tag", "--points-at", "HEAD", "--sort=-version:refname")
	first, _, _ := strings.Cut(out, "\n")
	return first, err
}

func (r *repository) time() (string, error) {
	out, err := r.run("log", "-1", "--format=%cI")
	if err != nil {
		return "", err
	}
	t, err := time.Parse(time.RFC3339, out)
	return t.UTC().Format(time.RFC3339), err
}

func (r *repository) dirty() (bool, error) {
	out, err := r.run("status", "--porcelain", "--untracked-files=normal")
	return out != "", err
}

// run runs git and gives what it prints, without the blanks around it.
func (r *repository) run(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", r.dir}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("the program git is not installed")
	}
	if err != nil {
		msg, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("git %s: %s", args[0], strings.TrimPrefix(msg, "fatal: "))
	}
	return strings.TrimSpace(string(out)), nil
}
