//go:build linux

package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	controlapi "github.com/moby/buildkit/api/services/control"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// TestTaggedAlready: an image that all its tags name in the registry is not brought there again; one that a tag does not name any
// more is, also if only one of several does not.
func TestTaggedAlready(t *testing.T) {
	dial(t) // starts the registry
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: bed.registry})
	var mu sync.Mutex
	var asked []string
	reg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.Path)
		mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	defer reg.Close()
	host := strings.Replace(strings.TrimPrefix(reg.URL, "http://"), "127.0.0.1", "localhost", 1)
	now := time.Now().String()
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": now, "arm64": "b\n", "other/Dockerfile": perArch, "other/amd64": "other" + now})
	insecure := func(b *schema.Build) { b.Outputs[0].Attrs = map[string]string{"registry.insecure": "true"} }
	p.target("one", "linux/amd64", func(b *schema.Build) { push(b, host+"/there/one:1", host+"/there/one:2"); insecure(b) })
	p.target("two", twoPlatforms, func(b *schema.Build) { push(b, host+"/there/two:1"); insecure(b) })
	run := func(targets ...string) (requests []string, digests map[string]string) {
		t.Helper()
		mu.Lock()
		asked = nil
		mu.Unlock()
		o := p.mustRun(targets...)
		digests = map[string]string{}
		for _, out := range o.res.Outputs {
			digests[out.Target] = out.Digest
		}
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(asked), digests
	}
	_, first := run("one", "two")
	requests, second := run("one", "two")
	slices.Sort(requests)
	want := []string{"HEAD /v2/there/one/manifests/1", "HEAD /v2/there/one/manifests/2", "HEAD /v2/there/two/manifests/1"}
	if !slices.Equal(requests, want) {
		t.Errorf("the second run asked %q, want only %q", requests, want)
	}
	if len(second) != 2 || second["one"] != first["one"] || second["two"] != first["two"] {
		t.Errorf("the second run reports %v, the first %v", second, first)
	}
	p.target("other", "linux/amd64", func(b *schema.Build) {
		b.Context = p.dir + "/other"
		push(b, host+"/there/one:2")
		insecure(b)
	})
	_, moved := run("other")
	if got := fetchManifest(t, "there/one", "2").Digest; got != moved["other"] || got == first["one"] {
		t.Fatalf("one:2 is %s, want that of the other target, %v", got, moved)
	}
	requests, _ = run("one")
	for _, tag := range []string{"1", "2"} {
		if got := fetchManifest(t, "there/one", tag).Digest; got != first["one"] {
			t.Errorf("one:%s is %s after it was built again, want %s; the run asked %q", tag, got, first["one"], requests)
		}
	}
}

// TestMuteRegistry: a registry that this process cannot ask is asked once, and an unknown tag is no reason not to ask again.
func TestMuteRegistry(t *testing.T) {
	var calls []string
	r := newTagReader(t.TempDir())
	r.read = func(_ context.Context, ref string) (string, error) {
		calls = append(calls, ref)
		switch {
		case strings.HasPrefix(ref, "away.example/"):
			return "", errors.New("dial tcp: no route to host")
		case strings.HasSuffix(ref, ":new"):
			return "", fmt.Errorf("%s: %w", ref, errdefs.ErrNotFound)
		}
		return "sha256:" + strings.TrimPrefix(ref[strings.LastIndex(ref, ":"):], ":"), nil
	}
	for _, tc := range []struct{ tags, want string }{
		{"away.example/a:1", ""}, {"away.example/b:1", ""}, {"here.example/a:new", ""}, {"here.example/a:1", "sha256:1"},
		{"here.example/a:1 here.example/b:1", "sha256:1"}, {"here.example/a:1 here.example/a:2", ""}, {"here.example/a:1 away.example/a:1", ""}, {"", ""},
	} {
		if got := r.common(t.Context(), strings.Fields(tc.tags)); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.tags, got, tc.want)
		}
	}
	if n := len(slices.DeleteFunc(calls, func(s string) bool { return !strings.HasPrefix(s, "away.example") })); n != 1 {
		t.Errorf("the registry that is away was asked %d times", n)
	}
}

// TestHistory: the daemon records images and archives, by the names of their targets, unless nobody wants that or a secret
// may stand in the log.
func TestHistory(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n", "arm64": "b\n"})
	t.Setenv("THE_TOKEN", "a-secret-value")
	image := func(b *schema.Build) { b.Outputs = []schema.Output{{Type: schema.OutputImage}} }
	p.target("history-one", "linux/amd64", func(b *schema.Build) { image(b); b.Tags = []string{"history-one:1"} })
	p.target("history-two", twoPlatforms, func(b *schema.Build) { image(b); b.Tags = []string{"history-two:1"} })
	p.target("history-tar", "linux/amd64", func(b *schema.Build) {
		b.Outputs = []schema.Output{{Type: schema.OutputOCI, Dest: p.dir + "/out/x.tar"}}
	})
	p.target("history-secret", "linux/amd64", func(b *schema.Build) {
		image(b)
		b.Tags, b.Secrets = []string{"history-secret:1"}, []schema.Secret{{ID: "token", Env: "THE_TOKEN"}}
	})
	p.target("history-files", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("files") })
	targets := []string{"history-one", "history-two", "history-tar", "history-secret", "history-files"}
	p.runWith(timeout(t, time.Minute), p.plan(targets...), exec.Options{}, nil).must(t, "client")
	if got := recordsNamed(t, p.b, "history-"); len(got) > 0 {
		t.Errorf("records %v that nobody wanted", got)
	}
	p.runWith(timeout(t, time.Minute), p.plan(targets...), exec.Options{History: true}, nil).must(t, "client")
	if got, want := recordsNamed(t, p.b, "history-"), []string{"history-one", "history-tar", "history-two"}; !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
}

// recordsNamed lists the names of the daemon's records that begin with prefix.
func recordsNamed(t *testing.T, b *Backend, prefix string) []string {
	t.Helper()
	stream, err := b.client.ControlClient().ListenBuildHistory(t.Context(), &controlapi.BuildHistoryRequest{EarlyExit: true})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for {
		ev, err := stream.Recv()
		if err != nil {
			slices.Sort(out)
			return out
		}
		if name := ev.GetRecord().GetFrontendAttrs()[buildName]; strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
}
