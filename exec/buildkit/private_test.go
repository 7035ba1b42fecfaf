//go:build linux

package buildkit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/agent"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/mask"
	"github.com/xbuild/xbuild/schema"
)

// bothPaths runs a test with the Dockerfile converted here and by the daemon's frontend.
func bothPaths(t *testing.T, f func(t *testing.T, p *project, run func(targets ...string) *outcome), files map[string]string) {
	for _, path := range []string{"client", "server"} {
		t.Run(path, func(t *testing.T) {
			mine := map[string]string{}
			for name, text := range files {
				mine[name] = strings.ReplaceAll(text, "NOW", time.Now().String()) // never built before
			}
			p := newProject(t, mine)
			f(t, p, func(targets ...string) *outcome {
				t.Helper()
				pl := p.plan(targets...)
				if path == "server" {
					onServer(pl)
				}
				return p.run(pl)
			})
		})
	}
}

const copySecret = `FROM scratch AS run
COPY tool /tool
RUN --mount=type=secret,id=token ["/tool", "show", "/run/secrets/token", "NOW"]
RUN --mount=type=secret,id=token ["/tool", "copy", "/run/secrets/token", "/got"]
FROM scratch
COPY --from=run /got /
`

// TestSecretsOfOneID: two targets that have one id for different secrets get their own, although their steps are the
// same to the byte and run at the same time; and a target that was given none gets none.
func TestSecretsOfOneID(t *testing.T) {
	bothPaths(t, func(t *testing.T, p *project, run func(...string) *outcome) {
		const first, second = "hunter2-first-value", "hunter2-second-value"
		t.Setenv("XBUILD_TEST_TOKEN", first)
		p.write("token.txt", second+"\n")
		p.target("one", "linux/amd64", func(b *schema.Build) {
			b.Outputs, b.Secrets = p.local("one"), []schema.Secret{{ID: "token", Env: "XBUILD_TEST_TOKEN"}}
		})
		p.target("two", "linux/amd64", func(b *schema.Build) {
			b.Outputs, b.Secrets = p.local("two"), []schema.Secret{{ID: "token", Src: filepath.Join(p.dir, "token.txt")}}
		})
		o := run("one", "two")
		if o.err != nil {
			t.Fatal(o.err)
		}
		p.wantTree("one", map[string]string{"got": first})
		p.wantTree("two", map[string]string{"got": second + "\n"})
		shown := 0
		for _, e := range o.events {
			for _, secret := range []string{first, second} {
				if bytes.Contains(e.Data, []byte(secret)) || strings.Contains(e.Name+e.Err, secret) {
					t.Errorf("an event has the secret: %+v", e)
				}
			}
			if e.Type == exec.StepLog {
				shown += bytes.Count(e.Data, []byte(mask.Stars))
			}
		}
		if n := len(o.done("show")); n != 2 || shown != 2 {
			t.Errorf("%d steps showed their secret, and %d secrets were hidden, want 2 and 2", n, shown)
		}
		// The third has the same text again, and no secret.
		p.target("none", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("none") })
		o = run("one", "none")
		f := o.only(t)
		if f.Kind != exec.StepFailed || len(f.Uses) != 1 || f.Uses[0].Target != "none" {
			t.Errorf("failure %+v, want the step of the target without a secret", f)
		}
		for _, l := range f.Log {
			if strings.Contains(l, first) {
				t.Errorf("the log of the failure has the secret: %q", f.Log)
			}
		}
	}, map[string]string{"Dockerfile": copySecret})
}

func TestMissingSecret(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": strings.Replace(copySecret, "id=token", "id=token,required=true", 1)})
	p.target("file", "linux/amd64", func(b *schema.Build) {
		b.Secrets = []schema.Secret{{ID: "token", Src: filepath.Join(p.dir, "nowhere")}}
	})
	f := p.run(p.plan("file")).only(t)
	if !strings.Contains(f.Error(), "secret token of target file") || !strings.Contains(f.Error(), "nowhere does not exist") {
		t.Errorf("failure %v", f)
	}
	p.cfg.Targets = nil
	p.target("given", "linux/amd64", func(b *schema.Build) { b.Secrets = []schema.Secret{{ID: "token", Env: "HOME"}} })
	p.target("none", "linux/amd64", nil)
	f = p.run(p.plan("none")).only(t)
	if !strings.Contains(f.Error(), "token") || strings.Contains(f.Error(), "#") || f.At == nil || f.At.Start.Line != 3 {
		t.Errorf("failure %v at %v, want one about token at line 3", f, f.At)
	}
}

func TestHideAcrossPieces(t *testing.T) {
	p := &private{hidden: mask.Exactly("correct horse", "horseradish")}
	var got []byte
	var held []byte
	for _, piece := range []string{"a corre", "ct hor", "se and hors", "eradish, ho", "rse"} {
		var out []byte
		out, held = p.hide(held, []byte(piece), false)
		got = append(got, out...)
	}
	out, _ := p.hide(held, nil, true)
	if got = append(got, out...); string(got) != "a *** and ***, horse" {
		t.Errorf("got %q", got)
	}
	if w := wordsOf([]byte("-----BEGIN KEY-----\nabcdefgh\nxy\n")); len(w) != 3 {
		t.Errorf("words %q, want the text and its two long lines", w)
	}
}

// TestSSHAgent: a step sees the agent that its target was given, and one without does not.
func TestSSHAgent(t *testing.T) {
	keys := agent.NewKeyring()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Add(agent.AddedKey{PrivateKey: key, Comment: "testkey"}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { agent.ServeAgent(keys, c); c.Close() }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
	bothPaths(t, func(t *testing.T, p *project, run func(...string) *outcome) {
		p.target("with", "linux/amd64", func(b *schema.Build) { b.Outputs, b.SSH = p.local("with"), []schema.SSH{{ID: "default"}} })
		p.target("without", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("without") })
		if o := run("with"); o.err != nil {
			t.Fatal(o.err)
		}
		p.wantTree("with", map[string]string{"keys": "testkey\n"})
		if f := run("with", "without").only(t); len(f.Uses) != 1 || f.Uses[0].Target != "without" {
			t.Errorf("failure %+v, want the target without an agent", f)
		}
	}, map[string]string{"Dockerfile": `FROM scratch AS run
COPY tool /tool
RUN --mount=type=ssh ["/tool", "agent", "/keys"]
FROM scratch
COPY --from=run /keys /
`})
	os.Unsetenv("SSH_AUTH_SOCK")
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.SSH = []schema.SSH{{ID: "default"}} })
	if f := p.run(p.plan("x")).only(t); !strings.Contains(f.Error(), "SSH_AUTH_SOCK") {
		t.Errorf("failure %v", f)
	}
}

// TestRunSettings: what a target says about all its RUN steps reaches them.
func TestRunSettings(t *testing.T) {
	bothPaths(t, func(t *testing.T, p *project, run func(...string) *outcome) {
		p.target("plain", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("plain") })
		p.target("set", "linux/amd64", func(b *schema.Build) {
			b.Outputs, b.Network, b.ShmSize, b.Ulimits = p.local("set"), "none", 8<<20, []string{"nofile=1024:2048"}
			b.ExtraHosts, b.Resources = map[string]string{"db": "10.1.2.3"}, map[string]string{"memory": "134217728"}
		})
		if o := run("plain", "set"); o.err != nil {
			t.Fatal(o.err)
		}
		got, plain := p.tree("set"), p.tree("plain")
		if got["limits"] != "nofile 2048 shm 8388608 memory 134217728\n" || got["limits"] == plain["limits"] {
			t.Errorf("limits %q, without any %q", got["limits"], plain["limits"])
		}
		if got["net"] != "lo\n" {
			t.Errorf("network none has interfaces %q", got["net"])
		}
		if !strings.Contains(got["hosts"], "10.1.2.3\tdb") || strings.Contains(plain["hosts"], "10.1.2.3") {
			t.Errorf("hosts %q, without any %q", got["hosts"], plain["hosts"])
		}
	}, map[string]string{"Dockerfile": `FROM scratch AS run
COPY tool /tool
RUN ["/tool", "limits", "/limits"]
RUN ["/tool", "interfaces", "/net"]
RUN ["/tool", "copy", "/etc/hosts", "/got-hosts"]
FROM scratch
COPY --from=run /limits /net /
COPY --from=run /got-hosts /hosts
`})
}

func TestNoCacheFilter(t *testing.T) {
	text := `FROM scratch AS a
COPY tool /other
RUN ["/other", "write", "/a", "NOW"]
FROM scratch AS b
COPY tool /tool
RUN ["/tool", "write", "/b", "NOW"]
FROM scratch
COPY --from=a /a /
COPY --from=b /b /
`
	bothPaths(t, func(t *testing.T, p *project, run func(...string) *outcome) {
		p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs, b.NoCacheFilter = p.local("out"), []string{"b"} })
		for i := range 2 {
			o := run("x")
			if o.err != nil {
				t.Fatal(o.err)
			}
			a, b := o.done(`"/a"`), o.done(`"/b"`)
			if i == 1 && (len(a) != 1 || !a[0].Cached || len(b) != 1 || b[0].Cached) {
				t.Errorf("steps %+v and %+v, want only that of stage b to run again", a, b)
			}
		}
	}, map[string]string{"Dockerfile": text})
}

const hostNetwork = `FROM scratch AS run
COPY tool /tool
RUN --network=host ["/tool", "interfaces", "/net"]
FROM scratch
COPY --from=run /net /
`

// TestEntitlements: a privilege is for the target that asks for it and for no other of the run.
func TestEntitlements(t *testing.T) {
	bothPaths(t, func(t *testing.T, p *project, run func(...string) *outcome) {
		p.target("asks", "linux/amd64", func(b *schema.Build) { b.Outputs, b.Entitlements = p.local("asks"), []string{"network.host"} })
		p.target("silent", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("silent") })
		p.target("attribute", twoPlatforms, func(b *schema.Build) { b.Outputs, b.Network = p.local("attribute"), "host" })
		o := run("asks")
		if o.err != nil {
			t.Fatal(o.err)
		}
		if e := o.done("interfaces"); len(e) != 1 || len(e[0].Stages) != 1 {
			t.Errorf("the step is %+v, want it once, in its stage", e)
		}
		if net := p.tree("asks")["net"]; len(strings.Fields(net)) < 2 {
			t.Errorf("the host's network has the interfaces %q", net)
		}
		f := run("asks", "silent").only(t)
		if f.At == nil || f.At.Start.Line != 3 || !strings.Contains(f.Error(), "network.host") || len(f.Uses) != 1 || f.Uses[0].Target != "silent" {
			t.Errorf("failure %v at %v of %v", f, f.At, f.Uses)
		}
		p.wantTree("silent", nil)
		p.write("Dockerfile", "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"interfaces\", \"/net\"]\n")
		p.cfg.Targets = p.cfg.Targets[2:]
		p.cfg.Targets[0].Platforms = p.cfg.Targets[0].Platforms[:1]
		p.target("linked", "linux/amd64", func(b *schema.Build) {
			b.DockerfileInline = "FROM base AS run\nFROM scratch\nCOPY --from=run /net /\n"
			b.Contexts, b.Outputs = map[string]string{"base": "target:attribute"}, p.local("linked")
		})
		if o = run("attribute", "linked"); o.err != nil {
			t.Fatal(o.err)
		}
		if net := p.tree("linked")["net"]; len(strings.Fields(net)) < 2 {
			t.Errorf("the linked target's step saw the interfaces %q", net)
		}
	}, map[string]string{"Dockerfile": hostNetwork})
}
