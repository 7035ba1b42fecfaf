package e2e

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// gitServer serves a repository with these files over http, to whoever has the token. An empty token lets everybody in.
func gitServer(t *testing.T, token string, files map[string]string) string {
	t.Helper()
	work := project(t, files)
	if err := parts.CommitAll(t.Context(), work); err != nil {
		t.Fatal(err)
	}
	backend, err := parts.GitServer(t.Context(), work, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); token != "" && password != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/r.git"
}

// TestRemoteBake: the build files and the contexts come from a git repository, outputs and cwd:// files are here.
func TestRemoteBake(t *testing.T) {
	here := project(t, map[string]string{"local.hcl": `target "app" { output = ["out"] }`, "docker-bake.hcl": "broken"})
	w := external(t, here)
	url := gitServer(t, "", map[string]string{
		"docker-bake.hcl": `
group "default" { targets = ["app"] }
target "app" {
  context  = "app"
  contexts = { more = "sub", all = "." }
}
target "here" { context = BAKE_CMD_CONTEXT }
`,
		"app/Dockerfile": "FROM scratch\nCOPY app.txt /\nCOPY --from=more sub.txt /\nCOPY --from=all top.txt /\n",
		"app/app.txt":    "app", "sub/sub.txt": "sub", "top.txt": "top"})
	r := w.ok(t, "print", url+"#main")
	for _, want := range []string{`"context": "` + url + `#main:app"`, `"more": "sub"`} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("print lacks %s:\n%s", want, r.stdout)
		}
	}
	if r := w.ok(t, "print", url, "https://example.org/other.git", "here"); !strings.Contains(r.stdout, `"context": "https://example.org/other.git"`) {
		t.Errorf("the second address is not BAKE_CMD_CONTEXT:\n%s", r.stdout)
	}
	w.ok(t, "run", url, "-f", "docker-bake.hcl", "-f", "cwd://local.hcl")
	for _, name := range []string{"app", "sub", "top"} {
		if got := read(t, filepath.Join(here, "out", name+".txt")); got != name {
			t.Errorf("%s.txt is %q", name, got)
		}
	}
	if r := w.code(t, 2, "print", url, "-f", "none.hcl"); !strings.Contains(r.stderr, "there is no file none.hcl in "+url) {
		t.Errorf("a missing file: %s", r.stderr)
	}
	if r := w.code(t, 2, "plan", url, "--out", "plan.json"); !strings.Contains(r.stderr, "on this machine only") {
		t.Errorf("a saved plan: %s", r.stderr)
	}
}

// TestRemoteXbuild: an xbuild.hcl of a repository stands before Bake's files there, and includes and reads files of it.
func TestRemoteXbuild(t *testing.T) {
	here := t.TempDir()
	w := external(t, here)
	url := gitServer(t, "", map[string]string{
		"docker-bake.hcl":  "target \"default\" {}\n",
		"build/xbuild.hcl": "target \"default\" {}\n",
		"xbuild.hcl": `
include = ["parts/more.hcl"]
target "default" {
  context   = "app"
  platforms = ["linux/amd64", "linux/arm64"]
  args      = { TEXT = file("parts/text"), ARCH = platform.arch }
  output    = ["bin"]
}
`,
		"parts/more.hcl": `
target "more" {
  contexts          = { here = ".", missing = fileexists("none") ? "none" : "." }
  dockerfile-inline = "FROM scratch\nCOPY --from=here text /\n"
  output            = ["more"]
}
`,
		"parts/text":     "from the repository",
		"app/Dockerfile": "FROM scratch\nARG TEXT ARCH\nCOPY --chmod=644 <<EOF /text\n$TEXT $ARCH\nEOF\n",
	})
	r := w.ok(t, "run", url, "default", "more")
	if !strings.Contains(r.stderr, "docker-bake.hcl beside it is ignored") {
		t.Errorf("nothing is said of the other file:\n%s", r.stderr)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if got := read(t, filepath.Join(here, "bin", "linux_"+arch, "text")); got != "from the repository "+arch+"\n" {
			t.Errorf("%s: %q", arch, got)
		}
	}
	if got := read(t, filepath.Join(here, "parts", "more", "text")); got != "from the repository" {
		t.Errorf("more: %q", got)
	}
	if r := w.ok(t, "run", "--list", "targets", url+"#main:build"); r.stdout != "TARGET\tDESCRIPTION\ndefault\t\n" {
		t.Errorf("list of a folder of the repository: %q", r.stdout)
	}
}

// TestRemoteFile: a build file from an http server; what it names is on this machine.
func TestRemoteFile(t *testing.T) {
	here := project(t, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY Dockerfile /copy\n"})
	w := external(t, here)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("target \"default\" {\n  context = \"app\"\n  output = [\"out\"]\n}\n"))
	}))
	t.Cleanup(s.Close)
	w.ok(t, "run", s.URL+"/build")
	if got := read(t, filepath.Join(here, "out", "copy")); !strings.HasPrefix(got, "FROM scratch") {
		t.Errorf("copy: %q", got)
	}
}

// TestRemoteToken: the token of the environment opens a repository, also as a context, and is never shown.
func TestRemoteToken(t *testing.T) {
	w := external(t, t.TempDir())
	url := gitServer(t, "the-token", map[string]string{"docker-bake.hcl": "target \"default\" {\n  output = [\"out\"]\n}\n",
		"Dockerfile": "FROM scratch\nCOPY Dockerfile /copy\n"})
	w.code(t, 2, "print", url)
	w.env = append(w.env, "BUILDX_BAKE_GIT_AUTH_TOKEN=the-token")
	if r := w.ok(t, "print", url); strings.Contains(r.stdout+r.stderr, "the-token") || !strings.Contains(r.stdout, `"context": "`+url+`"`) {
		t.Errorf("print:\n%s%s", r.stdout, r.stderr)
	}
	if r := w.ok(t, "run", url, "--progress", "plain"); strings.Contains(r.stdout+r.stderr, "the-token") {
		t.Errorf("run shows the token:\n%s%s", r.stdout, r.stderr)
	}
	if got := read(t, filepath.Join(w.dir, "out", "copy")); !strings.HasPrefix(got, "FROM scratch") {
		t.Errorf("copy: %q", got)
	}
}
