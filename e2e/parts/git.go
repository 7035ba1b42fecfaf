package parts

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// CommitAll makes a git repository of the directory, with everything in it in one commit on the branch main. Nothing of the
// user's git configuration counts.
func CommitAll(ctx context.Context, dir string) error {
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A", "."}, {"commit", "-q", "--allow-empty", "-m", "one"}} {
		if err := git(ctx, append([]string{"-C", dir}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// GitServer serves the repository in dir over http, as /r.git, until the context ends. It keeps a copy of it in the empty
// directory bare.
func GitServer(ctx context.Context, dir, bare string) (http.Handler, error) {
	if err := git(ctx, "clone", "-q", "--bare", dir, filepath.Join(bare, "r.git")); err != nil {
		return nil, err
	}
	path, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w", err)
	}
	return &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + bare, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}, nil
}

func git(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, "git", args...)
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
