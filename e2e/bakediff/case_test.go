package bakediff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// testCase is one command in a folder. In files, args and env, @WORK@ stands for the folder, and @AGENT@ for the path of a socket.
type testCase struct {
	name  string
	files map[string]string // by slash-separated path; "stdin" is what the command reads there, not a file
	args  []string          // after `bake --print` and `print`
	env   []string          // NAME=VALUE, beside PATH and HOME
	// expect is what a table says of the peer, where it says anything, so that no form is filed under the wrong heading.
	expect expectation
	from   string // a folder that is copied first, for files that are no case of ours
}

type expectation string

const (
	accepted expectation = "accepted"
	refused  expectation = "refused"
)

// String is what one needs to see beside a difference.
func (c testCase) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "command: %s print %s\n", strings.Join(c.env, " "), strings.Join(c.args, " "))
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if text := c.files[name]; len(text) < 1200 {
			fmt.Fprintf(&b, "-- %s --\n%s\n", name, strings.TrimRight(text, "\n"))
		} else {
			fmt.Fprintf(&b, "-- %s -- (%d lines)\n", name, strings.Count(text, "\n"))
		}
	}
	return b.String()
}

// layOut writes the case to a folder of its own.
func layOut(t *testing.T, c testCase) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join(suite.dir, "work"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if c.from != "" {
		if err := os.CopyFS(dir, os.DirFS(c.from)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range c.files {
		if name == "stdin" {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(expand(text, dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func expand(s, dir string) string {
	return strings.NewReplacer("@WORK@", dir, "@AGENT@", filepath.Join(suite.dir, "agent")).Replace(s)
}

// program is one of the two, with the arguments that come before a case's.
type program struct {
	path string
	args []string
}

// result is what a finished program left.
type result struct {
	code           int
	stdout, stderr string
	touched        string // the first path that it changed in the folder, which it must not
}

// run executes the case in the folder that layOut made.
func (p program) run(t *testing.T, dir string, c testCase) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	for _, a := range c.args {
		cmd.Args = append(cmd.Args, expand(a, dir))
	}
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(suite.dir, "home")}
	for _, e := range c.env {
		cmd.Env = append(cmd.Env, expand(e, dir))
	}
	cmd.Stdin = strings.NewReader(expand(c.files["stdin"], dir))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	before := snapshot(t, dir)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s: %v %v", filepath.Base(p.path), err, ctx.Err())
	}
	r := result{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: errs.String()}
	after := snapshot(t, dir)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if text, ok := before[name]; !ok || text != after[name] {
			r.touched = name
			break
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			r.touched = name
		}
	}
	return r
}

// snapshot is every path below dir with its content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		if !d.Type().IsRegular() {
			m[path] = d.Type().String()
			return nil
		}
		text, err := os.ReadFile(path)
		m[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
