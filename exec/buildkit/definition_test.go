//go:build linux

package buildkit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets"
	"google.golang.org/grpc"
)

const remoteHCL = "target \"default\" { context = \"app\" }\n"

// definitionNames are what the tests ask for.
var definitionNames = []string{"compose.yml", "docker-bake.json", "docker-bake.hcl", "docker-bake.override.hcl"}

// archive makes a tar of files, compressed or not.
func archive(t *testing.T, compressed bool, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range definitionNames {
		if text, ok := files[name]; ok {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !compressed {
		return b.Bytes()
	}
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	if _, err := g.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// serve answers with the bodies by path.
func serve(t *testing.T, bodies map[string][]byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func text(d *RemoteDefinition) string {
	var b strings.Builder
	for _, f := range d.Files {
		b.WriteString(f.Name + ":" + string(f.Bytes))
	}
	return b.String()
}

func TestDefinitionOverHTTP(t *testing.T) {
	b := dial(t)
	files := map[string]string{"docker-bake.hcl": remoteHCL, "docker-bake.override.hcl": "A = 1\n"}
	base := serve(t, map[string][]byte{
		"/one.hcl":    []byte(remoteHCL),
		"/a.tar":      archive(t, false, files),
		"/a.tar.gz":   archive(t, true, files),
		"/none.tar":   archive(t, false, map[string]string{"compose.yml": "services: {}\n"}),
		"/limit.hcl":  bytes.Repeat([]byte("#"), MaxDefinition),
		"/beyond.hcl": bytes.Repeat([]byte("#"), MaxDefinition+1),
		"/large.tar":  archive(t, true, map[string]string{"docker-bake.hcl": strings.Repeat("#", MaxDefinition+1)}),
	})
	both := "docker-bake.hcl:" + remoteHCL + "docker-bake.override.hcl:A = 1\n"
	for _, tt := range []struct {
		path, want string
		archive    bool
	}{
		{"/one.hcl", base + "/one.hcl:" + remoteHCL, false},
		{"/a.tar", both, true},
		{"/a.tar.gz", both, true},
		{"/limit.hcl", base + "/limit.hcl:" + strings.Repeat("#", MaxDefinition), false},
	} {
		d, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: base + tt.path, Names: definitionNames, Optional: true})
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		if got := text(d); got != tt.want || d.Archive != tt.archive {
			t.Errorf("%s: %.200q, archive %t", tt.path, got, d.Archive)
		}
	}
	for _, tt := range []struct {
		path     string
		names    []string
		optional bool
		want     string
	}{
		{"/a.tar", []string{"other.hcl"}, false, "there is no file other.hcl in " + base + "/a.tar"},
		{"/none.tar", definitionNames[1:], true, "there is no build file in " + base + "/none.tar: looked for docker-bake.json, "},
		{"/beyond.hcl", nil, true, base + "/beyond.hcl is larger than 2 MB"},
		{"/large.tar", definitionNames, true, "docker-bake.hcl in " + base + "/large.tar is larger than 2 MB"},
		{"/nothing.hcl", nil, true, "BuildKit cannot read the build files of " + base + "/nothing.hcl: "},
	} {
		_, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: base + tt.path, Names: tt.names, Optional: tt.optional})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", tt.path, err, tt.want)
		}
	}
	if _, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: "./folder"}); err == nil {
		t.Error("a folder was taken for an address")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	cancel(stopped)
	if _, err := b.ReadDefinition(ctx, DefinitionRequest{URL: base + "/a.tar", Names: definitionNames}); !errors.Is(err, stopped) {
		t.Errorf("cancelled: %v", err)
	}
}

// serveGit serves a repository over http to whoever has the token; an empty token lets everybody in.
func serveGit(t *testing.T, token string) string {
	t.Helper()
	root := t.TempDir()
	work := filepath.Join(root, "work")
	git := func(args ...string) {
		t.Helper()
		c := osexec.Command("git", args...)
		c.Dir = root
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q", "-b", "main", work)
	write("docker-bake.hcl", remoteHCL)
	write("sub/docker-bake.hcl", "# of sub\n")
	git("-C", work, "add", ".")
	git("-C", work, "commit", "-q", "-m", "one")
	git("-C", work, "tag", "v1")
	write("docker-bake.hcl", "# newer\n")
	git("-C", work, "commit", "-q", "-a", "-m", "two")
	git("clone", "-q", "--bare", work, filepath.Join(root, "r.git"))
	git("-C", filepath.Join(root, "r.git"), "update-server-info")
	path, err := osexec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}
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

func TestDefinitionFromGit(t *testing.T) {
	b := dial(t)
	url := serveGit(t, "")
	for suffix, want := range map[string]string{
		"":             "docker-bake.hcl:# newer\n",
		"#v1":          "docker-bake.hcl:" + remoteHCL,
		"#main:sub":    "docker-bake.hcl:# of sub\n",
		"?subdir=sub":  "docker-bake.hcl:# of sub\n",
		"#v1:sub":      "docker-bake.hcl:# of sub\n",
		"?tag=v1":      "docker-bake.hcl:" + remoteHCL,
		"?branch=main": "docker-bake.hcl:# newer\n",
	} {
		d, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: url + suffix, Names: definitionNames, Optional: true})
		if err != nil {
			t.Errorf("%s: %v", suffix, err)
			continue
		}
		if got := text(d); got != want || d.Archive {
			t.Errorf("%s: %q, want %q", suffix, got, want)
		}
	}
	d, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: url, Names: []string{"sub/docker-bake.hcl"}})
	if err != nil || text(d) != "sub/docker-bake.hcl:# of sub\n" {
		t.Errorf("named file: %v, %v", d, err)
	}
	for suffix, want := range map[string]string{"#nobranch": "nobranch", "?what=1": "what"} {
		if _, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: url + suffix, Names: definitionNames}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", suffix, err)
		}
	}
	if _, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: url, Names: []string{"sub"}}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder: %v", err)
	}
}

func TestDefinitionNeedsToken(t *testing.T) {
	b := dial(t)
	url := serveGit(t, "the-token")
	for _, token := range []string{"", "other"} {
		_, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: url, Names: definitionNames, Optional: true, GitToken: token})
		if err == nil || strings.Contains(err.Error(), "the-token") {
			t.Errorf("token %q: %v", token, err)
		}
	}
	d, err := b.ReadDefinition(t.Context(), DefinitionRequest{URL: url, Names: definitionNames, Optional: true, GitToken: "the-token"})
	if err != nil || text(d) != "docker-bake.hcl:# newer\n" {
		t.Errorf("with the token: %v, %v", d, err)
	}
	d, err = b.ReadDefinition(t.Context(), DefinitionRequest{URL: serveGit(t, "t2"), Names: definitionNames, Optional: true,
		GitHeader: "basic eDp0Mg=="}) // x:t2
	if err != nil || text(d) != "docker-bake.hcl:# newer\n" {
		t.Errorf("with the header: %v, %v", d, err)
	}
}

func TestDefinitionCredentials(t *testing.T) {
	for url, want := range map[string]string{
		"https://example.com/r.git":        "GIT_AUTH_TOKEN.example.com",
		"https://example.com:8443/r.git#x": "GIT_AUTH_TOKEN.example.com:8443",
		"github.com/o/r":                   "GIT_AUTH_TOKEN.github.com",
	} {
		out, err := (&DefinitionRequest{URL: url, GitToken: "secret"}).credentials(true)
		if err != nil || len(out) != 1 {
			t.Fatalf("%s: %d, %v", url, len(out), err)
		}
		if got := secretOf(t, out[0], want); got != "secret" {
			t.Errorf("%s: %s = %q", url, want, got)
		}
		if got := secretOf(t, out[0], "GIT_AUTH_TOKEN.other.example"); got != "" {
			t.Errorf("%s: another host gets %q", url, got)
		}
	}
	if out, err := (&DefinitionRequest{URL: "https://example.com/f.hcl", GitToken: "secret"}).credentials(false); err != nil || len(out) != 0 {
		t.Errorf("http file: %d, %v", len(out), err)
	}
	missing := DefinitionRequest{URL: "git@example.com:o/r.git", SSH: []string{filepath.Join(t.TempDir(), "none")}}
	if _, err := missing.credentials(true); err == nil {
		t.Error("a key that does not exist was accepted")
	}
	agent := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", agent)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if out, err := (&DefinitionRequest{URL: "ssh://git@example.com/o/r.git", SSH: []string{agent}}).credentials(true); err != nil || len(out) != 1 {
		t.Errorf("agent: %d, %v", len(out), err)
	}
}

// secretOf asks an attachable of a session for a secret, as the daemon does.
func secretOf(t *testing.T, a session.Attachable, id string) string {
	t.Helper()
	server := grpc.NewServer()
	a.Register(server)
	if _, ok := server.GetServiceInfo()["moby.buildkit.secrets.v1.Secrets"]; !ok {
		t.Fatal("the attachable offers no secrets")
	}
	store, ok := a.(secrets.SecretsServer)
	if !ok {
		t.Fatalf("%T is no server of secrets", a)
	}
	resp, err := store.GetSecret(t.Context(), &secrets.GetSecretRequest{ID: id})
	if err != nil {
		return ""
	}
	return string(resp.Data)
}
