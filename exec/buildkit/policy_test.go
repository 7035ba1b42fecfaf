//go:build linux

package buildkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"google.golang.org/protobuf/proto"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// policyFile writes rules in JSON or protobuf.
func policyFile(t *testing.T, asJSON bool, rules ...*spb.Rule) string {
	t.Helper()
	p := &spb.Policy{Version: 1, Rules: rules}
	text, err := proto.Marshal(p)
	if asJSON {
		text, err = json.Marshal(p)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func deny(source string) *spb.Rule {
	return &spb.Rule{Action: spb.PolicyAction_DENY, Selector: &spb.Selector{Identifier: source}}
}

func convert(source, to string) *spb.Rule {
	return &spb.Rule{Action: spb.PolicyAction_CONVERT, Selector: &spb.Selector{Identifier: source}, Updates: &spb.Update{Identifier: to}}
}

func readPolicy(t *testing.T, path string) *SourcePolicy {
	t.Helper()
	p, err := ReadSourcePolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReadSourcePolicy(t *testing.T) {
	want := []*spb.Rule{deny("docker-image://docker.io/library/evil*"), convert("docker-image://a", "docker-image://b")}
	for _, asJSON := range []bool{true, false} {
		p := readPolicy(t, policyFile(t, asJSON, want...))
		if !proto.Equal(p.policy, &spb.Policy{Version: 1, Rules: want}) || p.ID() == "" {
			t.Errorf("JSON %v: got %v", asJSON, p.policy)
		}
	}
	for _, text := range []string{"", " ", "no policy", `{"rule":[]}`, `{"rules":[{"acton":"DENY"}]}`, `{"rules":[{"action":"NEVER"}]}`, `{} {}`, "\x08\x01", "\x00\xff"} {
		path := filepath.Join(t.TempDir(), "policy")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := ReadSourcePolicy(path); err == nil {
			t.Errorf("%q is read as %v", text, p.policy)
		}
	}
	if _, err := ReadSourcePolicy(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a policy that is not there is no error")
	}
}

// TestOnePlaceSolves: what asks the daemon for a build is in policy.go, so that nothing is asked without the policy.
func TestOnePlaceSolves(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	asks := regexp.MustCompile(`\.client\.(Build|Solve)\b|\b[cC]ontrolClient\(\)\.Solve\b|NewControlClient`)
	found := false
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ok := asks.Match(text)
		switch {
		case f == "policy.go":
			found = ok
		case ok && !strings.HasSuffix(f, "_test.go"):
			t.Errorf("%s asks the daemon for a build; Backend.build does that", f)
		}
	}
	if !found {
		t.Error("policy.go asks for no build")
	}
}

// TestSourcePolicyEverywhere: every request for a build that reaches the daemon has the policy.
func TestSourcePolicyEverywhere(t *testing.T) {
	f := newFaulty(t, "policy")
	const marker = "docker-image://docker.io/library/marker"
	f.policy = readPolicy(t, policyFile(t, true, deny(marker)))
	p := f.project
	p.write("outline.Dockerfile", "FROM scratch\n")
	p.target("outline", "linux/amd64", func(b *schema.Build) { b.Call, b.Dockerfile = "outline", filepath.Join(p.dir, "outline.Dockerfile") })
	outline := p.plan("outline")
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for what, do := range map[string]func(*Backend) error{
		"run": func(b *Backend) error {
			_, err := b.Run(t.Context(), f.plan, exec.Options{History: true}, nil)
			return err
		},
		"call":   func(b *Backend) error { _, err := b.Call(t.Context(), outline, exec.Options{}); return err },
		"images": func(b *Backend) error { _, err := b.Images(t.Context(), []string{bed.registry + "/none"}); return err },
		"definition": func(b *Backend) error {
			_, _ = b.ReadDefinition(t.Context(), DefinitionRequest{URL: server.URL + "/x.hcl"}) // there is none
			return nil
		},
	} {
		f.next()
		b, err := dialPatiently(t.Context(), f.proxy.Addr(), DialOptions{DockerConfig: t.TempDir(), StateDir: t.TempDir(), SourcePolicy: f.policy}, usualPatience.times(3))
		if err != nil {
			t.Fatal(err)
		}
		f.proxy.Inject(nil)
		if err := do(b); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		b.Close()
		solves := f.proxy.Solves()
		if len(solves) == 0 {
			t.Errorf("%s asks for no build", what)
		}
		for i, m := range solves {
			if !bytes.Contains(m, []byte(marker)) {
				t.Errorf("%s: request %d of %d has no policy", what, i+1, len(solves))
			}
		}
	}
}

// TestSourcePolicy: the daemon heeds the policy, for what a build loads and for what it asks about images.
func TestSourcePolicy(t *testing.T) {
	p := newProject(t, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	defer server.Close()
	p.write("Dockerfile", "FROM scratch\nADD "+server.URL+"/asked /got\n")
	p.target("files", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	pl := p.plan("files")
	run := func(policy *SourcePolicy) error {
		t.Helper()
		b, err := Dial(t.Context(), bed.addr, DialOptions{DockerConfig: t.TempDir(), StateDir: t.TempDir(), SourcePolicy: policy})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		_, err = b.Run(timeout(t, time.Minute), pl, exec.Options{}, nil)
		return err
	}
	got := func() string {
		text, _ := os.ReadFile(filepath.Join(p.dir, "out", "got"))
		return string(text)
	}
	if err := run(nil); err != nil || got() != "/asked" {
		t.Fatalf("without a policy: %q, %v", got(), err)
	}
	if err := run(readPolicy(t, policyFile(t, true, convert(server.URL+"/asked", server.URL+"/other")))); err != nil || got() != "/other" {
		t.Errorf("converted: %q, %v", got(), err)
	}
	if err := run(readPolicy(t, policyFile(t, false, deny(server.URL+"/*")))); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("denied: %v", err)
	}
	b, err := Dial(t.Context(), bed.addr, DialOptions{DockerConfig: t.TempDir(), StateDir: t.TempDir(),
		SourcePolicy: readPolicy(t, policyFile(t, true, deny("docker-image://"+bed.registry+"/*")))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	images, err := b.Images(t.Context(), []string{bed.registry + "/image"})
	if text := fmt.Sprint(images, err); !strings.Contains(text, "policy") {
		t.Errorf("a denied image: %s", text)
	}
}
