package guards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// program makes xbuild once; the test is skipped where the machine lacks what its BuildKit needs.
func program(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("runc"); err != nil || os.Geteuid() != 0 {
		missing := "the BuildKit inside xbuild needs root and runc; install it: apt-get install runc"
		if os.Getenv("XBUILD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var binDir string

var built = sync.OnceValues(func() (string, error) {
	p := filepath.Join(binDir, "xbuild")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-tags", "grpcnotrace", "-o", p, "./cmd/xbuild")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building xbuild: %w\n%s", err, out)
	}
	return p, nil
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "xbuild-guards-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// site is the machine as one guard sees it.
type site struct {
	t *testing.T
	g *guard
	// root holds project, outside and home; state is the state directory of xbuild, which is not looked at.
	root, state    string
	address        string // of the build file; empty for one on this machine
	server         string
	dialect, saved string
}

// newSite lays everything out.
func newSite(t *testing.T, g *guard, dialect, text string, p place) *site {
	t.Helper()
	program(t)
	s := &site{t: t, g: g, dialect: dialect, root: t.TempDir()}
	var err error
	if s.state, err = os.MkdirTemp("", "xg-"); err != nil { // paths of sockets must be short
		t.Fatal(err)
	}
	s.saved = filepath.Join(s.state, "plan.json")
	t.Cleanup(func() {
		s.xbuild(nil, "daemon", "stop")
		os.RemoveAll(s.state)
	})
	mux := nethttp.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.server = server.URL
	for _, d := range []string{"project", "outside", "home"} {
		if err := os.Mkdir(filepath.Join(s.root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write("{outside}/secret", canary+"\n")
	for name, content := range g.outside {
		s.write("{outside}/"+name, content)
	}
	source := "{project}" // where the build file and its files are
	if p == git {
		source = "{root}/source"
		s.address = s.server + "/r.git"
	}
	for name, content := range g.files {
		s.write(source+"/"+name, content)
	}
	if p == http {
		s.address = s.server + "/" + dialect
		text := s.expand(text)
		mux.HandleFunc("/"+dialect, func(w nethttp.ResponseWriter, _ *nethttp.Request) { fmt.Fprint(w, text) })
	} else {
		s.write(source+"/"+dialect, text)
	}
	for name, content := range g.served {
		mux.HandleFunc("/"+name, func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.Write(content) })
	}
	if g.setup != nil {
		g.setup(t, s)
	}
	if p == git {
		dir := s.expand(source)
		if err := parts.CommitAll(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		bare := t.TempDir()
		h, err := parts.GitServer(t.Context(), dir, bare)
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/r.git/", h)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// expand fills in the paths of the site.
func (s *site) expand(text string) string {
	return strings.NewReplacer("{outside}", filepath.Join(s.root, "outside"), "{project}", filepath.Join(s.root, "project"), "{home}",
		filepath.Join(s.root, "home"), "{root}", s.root, "{server}", s.server).Replace(text)
}

func (s *site) expandAll(in []string) []string {
	out := slices.Clone(in)
	for i := range out {
		out[i] = s.expand(out[i])
	}
	return out
}

// write writes a file of the site, with the directories that it needs.
func (s *site) write(path, text string) {
	s.t.Helper()
	p := s.expand(path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(s.expand(text)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// link makes a symbolic link.
func (s *site) link(target, path string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.expand(path)), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink(s.expand(target), s.expand(path)); err != nil {
		s.t.Fatal(err)
	}
}

// result is what a finished xbuild left.
type result struct {
	verb           string
	code           int
	stdout, stderr string
}

// verb runs xbuild in one of its ways, with a grant or without.
func (s *site) verb(v verb, grant, env []string) *result {
	s.t.Helper()
	var address []string
	if s.address != "" {
		address = []string{s.address}
	}
	with := func(args ...string) []string { return slices.Concat(args, address, s.g.args) }
	switch v {
	case list:
		return s.xbuild(env, slices.Concat(with("run", "--list", "targets"), grant)...)
	case completion:
		return s.xbuild(env, "__complete", "run", "")
	case validate:
		return s.xbuild(env, slices.Concat(with("validate"), grant)...)
	case runPlan:
		if r := s.xbuild(env, slices.Concat(with("plan", "--out", s.saved), grant)...); r.code != 0 {
			s.t.Errorf("plan --out: exit code %d\n%s", r.code, r.stderr)
		}
		return s.xbuild(env, slices.Concat([]string{"run", "--plan", s.saved}, grant)...)
	}
	return s.xbuild(env, slices.Concat(with(string(v)), grant)...)
}

// xbuild runs the program to its end.
func (s *site) xbuild(env []string, args ...string) *result {
	args = s.expandAll(args)
	ctx := context.WithoutCancel(s.t.Context()) // also when the test ends
	p, err := built()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, p, args...)
	home := s.expand("{home}")
	cmd.Dir = filepath.Join(s.expand("{project}"), s.g.in)
	cmd.Env = slices.Concat([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DOCKER_CONFIG=" + home, "LANG=C.UTF-8", "XBUILD_STATE_DIR=" + s.state},
		s.expandAll(s.g.env), s.expandAll(env))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	r := &result{verb: strings.Join(args, " "), stdout: out.String(), stderr: errs.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// snapshot is everything of the site: modes, times and contents.
func (s *site) snapshot() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(s.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(info.Mode(), " ", info.ModTime().UnixNano())
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += " " + string(content)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text += " -> " + target
		}
		out[strings.TrimPrefix(p, s.root)] = text
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// diff lists what differs between two snapshots.
func diff(before, after map[string]string) string {
	var out []string
	for p, text := range after {
		if old, ok := before[p]; !ok {
			out = append(out, "  new: "+p)
		} else if old != text {
			out = append(out, "  changed: "+p)
		}
	}
	for p := range before {
		if _, ok := after[p]; !ok {
			out = append(out, "  gone: "+p)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
