package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The configuration and the attributes of a repository come from whoever made it, and name programs: a file system monitor,
// hooks, pagers, filters, ways to a server. What is looked at here is looked at without consent to run them.

// safe are the settings that turn such programs off. The command line wins over every file of the configuration. Filters have
// names of their own; see [repository.filters].
var safe = []string{
	"core.fsmonitor=false",
	"core.hooksPath=" + os.DevNull,
	"core.pager=cat",
	"core.sshCommand=false",
	"core.askPass=",
	"credential.helper=",
	"diff.external=",
	"gpg.program=false",
	"log.showSignature=false",
	"protocol.allow=never",
	"safe.bareRepository=explicit",
	"status.submoduleSummary=false",
}

// git runs git in the directory at the top of the working tree and returns its output without the white space around it. It is
// the only function of xbuild that runs git.
func (r *repository) git(args ...string) (string, error) {
	out, err := r.output(nil, nil, args...)
	return strings.TrimSpace(string(out)), err
}

// output is git with an input, with more settings, and with the output as it is.
func (r *repository) output(stdin io.Reader, settings []string, args ...string) ([]byte, error) {
	top, err := r.top()
	if err != nil {
		return nil, err
	}
	all := []string{"--no-pager", "--literal-pathspecs", "-C", top}
	for _, s := range append(settings, safe...) { // of two values of one name the last one holds
		all = append(all, "-c", s)
	}
	cmd := exec.Command("git", append(all, args...)...)
	// Without the ceiling git would take the directory itself for a bare repository if what .git holds is not one; and objects that
	// a partial clone lacks are not fetched.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=", "GIT_TERMINAL_PROMPT=0",
		"GIT_EXTERNAL_DIFF=", "GIT_CEILING_DIRECTORIES="+filepath.Dir(top))
	cmd.Stdin = stdin
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("the program git is not installed")
	}
	if err != nil {
		return nil, &failure{args[0], said.String(), cmd.ProcessState.ExitCode()}
	}
	return out, nil
}

// failure is a run of git that failed.
type failure struct {
	command, stderr string
	code            int // the exit status, -1 if it was ended by a signal
}

func (f *failure) Error() string {
	msg, _, _ := strings.Cut(strings.TrimSpace(f.stderr), "\n")
	return fmt.Sprintf("git %s: %s", f.command, strings.TrimPrefix(msg, "fatal: "))
}

// tag is the highest tag of the commit.
func (r *repository) tag() (string, error) {
	out, err := r.git("for-each-ref", "--points-at=HEAD", "--sort=-version:refname", "--format=%(refname:strip=2)", "refs/tags")
	first, _, _ := strings.Cut(out, "\n")
	return first, err
}

// time is the committer's date. The commit is parsed here, since git log would verify a signature with a program of the
// repository's choice.
func (r *repository) time() (string, error) {
	out, err := r.git("cat-file", "commit", "HEAD")
	if err != nil {
		return "", err
	}
	header, _, _ := strings.Cut(out, "\n\n")
	for line := range strings.Lines(header) {
		who, ok := strings.CutPrefix(strings.TrimSpace(line), "committer ")
		if !ok {
			continue
		}
		var seconds int64
		_, date, _ := strings.Cut(who, "> ")
		if _, err := fmt.Sscan(date, &seconds); err != nil {
			return "", fmt.Errorf("the commit's date %q cannot be read", date)
		}
		return time.Unix(seconds, 0).UTC().Format(time.RFC3339), nil
	}
	return "", errors.New("the commit has no date")
}
