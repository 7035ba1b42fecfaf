//go:build linux

package buildkit

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	osexec "os/exec"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// onServer makes a plan use the daemon's frontend for every Dockerfile.
func onServer(pl *plan.Plan) *plan.Plan {
	for i := range pl.Dockerfiles {
		pl.Dockerfiles[i].Frontend = "the test wants it"
	}
	return pl
}

func TestServerFrontend(t *testing.T) {
	p := newProject(t, map[string]string{
		"base.Dockerfile": "FROM scratch\nENV GREETING=hello\nCOPY tool /tool\n",
		"Dockerfile": `FROM base AS build
ARG WHO TARGETARCH
COPY --from=lib / /lib
RUN ["/tool", "env", "/who", "WHO"]
RUN ["/tool", "env", "/greeting", "GREETING"]
FROM scratch AS out
COPY --from=build /who /greeting /
COPY --from=build /lib /lib
COPY src /src
FROM scratch
COPY nothing /
`, "src/keep": "k\n", "src/drop": "d\n", ".dockerignore": "src/drop\n", "lib/x": "X\n"})
	p.target("base", "linux/amd64", func(b *schema.Build) { b.Dockerfile = filepath.Join(p.dir, "base.Dockerfile") })
	p.target("app", "linux/amd64", func(b *schema.Build) {
		b.Outputs, b.Stage, b.Args = p.local("out"), "out", map[string]string{"WHO": "me"}
		b.Contexts = map[string]string{"base": "target:base", "lib": filepath.Join(p.dir, "lib")}
		push(b, bed.registry+"/served:1")
	})
	want := map[string]string{"who": "me\n", "greeting": "hello\n", "lib/x": "X\n", "src/keep": "k\n"}
	pl := onServer(p.plan("app"))
	o := p.run(pl)
	o.must(t, "server")
	p.wantTree("out", want)
	if b := o.res.Builds[1]; b.Why != "the test wants it" {
		t.Errorf("why = %q", b.Why)
	}
	e := o.done(`"WHO"`)
	if len(e) != 1 || !slices.Equal(names(pl, e[0].Stages), []string{"build"}) || e[0].Line != 4 {
		t.Errorf("the RUN is %+v, want it in stage build at line 4", e)
	}
	served := fetchManifest(t, "served", "1")
	// Here and there make the same, and one may link to the other.
	for _, mixed := range []int{0, 1} {
		pl := onServer(p.plan("app"))
		pl.Dockerfiles[mixed].Frontend = ""
		if o := p.run(pl); o.err != nil {
			t.Fatal(o.err)
		}
		p.wantTree("out", want)
	}
	o = p.run(p.plan("app"))
	o.must(t, "client")
	p.wantTree("out", want)
	if here := fetchManifest(t, "served", "1"); here.Digest != served.Digest {
		t.Errorf("the images differ: %s by the client, %s by the server", here.Digest, served.Digest)
	}
}

func TestServerFrontendTwoPlatformsAndFailure(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS files\nARG TARGETARCH\nCOPY $TARGETARCH /arch\nFROM scratch AS bad\nCOPY tool /tool\nRUN [\"/tool\", \"fail\", \"4\"]\n",
		"amd64": "a\n", "arm64": "b\n"})
	p.target("files", twoPlatforms, func(b *schema.Build) { b.Stage, b.Outputs = "files", p.local("out") })
	p.target("bad", "linux/amd64", func(b *schema.Build) { b.Stage = "bad" })
	o := p.run(onServer(p.plan("files")))
	o.must(t, "server")
	p.wantTree("out", map[string]string{"linux_amd64/arch": "a\n", "linux_arm64/arch": "b\n"})
	if n := len(o.done("load build context")); n != 1 {
		t.Errorf("the context was read %d times", n)
	}
	f := p.run(onServer(p.plan("bad"))).only(t)
	if f.Kind != exec.StepFailed || f.ExitCode != 4 || f.At == nil || f.At.Start.Line != 6 || f.Stage == "" {
		t.Errorf("failure = %+v at %v, want line 6", f, f.At)
	}
	p.write("Dockerfile", "FROM scratch AS files\nCOPY a /\nNONSENSE\n")
	pl := p.planText("FROM scratch AS files\n", "FROM scratch AS files\nCOPY a /\nNONSENSE\n")
	f = p.run(onServer(pl)).only(t)
	if f.At == nil || f.At.Start.Line != 3 || !strings.Contains(f.Error(), "NONSENSE") {
		t.Errorf("failure = %v at %v, want line 3", f, f.At)
	}
}

// planText plans target files with one text and builds another.
func (p *project) planText(planned, built string) *plan.Plan {
	p.write("Dockerfile", planned)
	pl := p.plan("files")
	pl.Dockerfiles[0].Text = built
	return pl
}

func TestOpaqueStage(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS a\nCOPY tool /tool\nRUN [\"/tool\", \"write\", \"/x\", \"1\"]\nFROM scratch\nCOPY --from=a /x /\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	pl := onServer(p.plan("x"))
	pl.Stages = []plan.Stage{{ID: "o", Dockerfile: "d1", Kind: plan.Opaque, Line: 1, EndLine: 1 << 30}}
	pl.Builds[0].Stages, pl.Builds[0].ByIndex, pl.Builds[0].Result = []string{"o"}, map[int]string{0: "o"}, "o"
	o := p.run(pl)
	o.must(t, "server")
	if e := o.done("RUN"); len(e) != 1 || !slices.Equal(e[0].Stages, []string{"o"}) {
		t.Errorf("the RUN is %+v, want it in the opaque stage", e)
	}
}

func TestCredentialHelper(t *testing.T) {
	dial(t) // starts the registry
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: bed.registry})
	reg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "me" || pass != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer reg.Close()
	host := strings.Replace(strings.TrimPrefix(reg.URL, "http://"), "127.0.0.1", "localhost", 1)
	bin := t.TempDir()
	helper := "#!/bin/sh\nread host\necho \"{\\\"ServerURL\\\":\\\"$host\\\",\\\"Username\\\":\\\"me\\\",\\\"Secret\\\":\\\"secret\\\"}\"\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-xbuildtest"), []byte(helper), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for i, config := range []string{
		fmt.Sprintf(`{"credHelpers": {%q: "xbuildtest"}}`, host),
		fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte("me:secret"))),
	} {
		p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n"})
		if err := os.WriteFile(p.b.configFile(), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		repo := fmt.Sprintf("guarded%d", i)
		p.target("x", "linux/amd64", func(b *schema.Build) {
			push(b, host+"/"+repo+":1")
			b.Outputs[0].Attrs = map[string]string{"registry.insecure": "true"}
		})
		p.mustRun("x")
		if m := fetchManifest(t, repo, "1"); m.MediaType == "" {
			t.Errorf("%s was not pushed", repo)
		}
	}
}

func TestDaemonKilled(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"sleep\"]\n"})
	p.write("out/file", "old\n")
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		dir := t.TempDir()
		buildkitd := os.Getenv("BUILDKITD")
		if buildkitd == "" {
			buildkitd, _ = osexec.LookPath("buildkitd")
		}
		addr, daemon, err := startDaemon(buildkitd, dir, "own")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			daemon.proc.Signal(syscall.SIGCONT)
			daemon.stop()
		}()
		if p.b, err = Dial(t.Context(), addr, DialOptions{}); err != nil {
			t.Fatal(err)
		}
		defer p.b.Close()
		p.b.patience.probe = time.Second
		var at time.Time
		o := p.runWith(timeout(t, time.Minute), p.plan("x"), exec.Options{}, func(e exec.Event) {
			if e.Type == exec.StepLog && at.IsZero() {
				at = time.Now()
				daemon.proc.Signal(sig)
			}
		})
		if f := o.only(t); f.Kind != exec.DaemonLost || f.Hint == "" {
			t.Errorf("%v: failure = %+v: %v", sig, f, f)
		}
		t.Logf("%v: noticed after %s", sig, time.Since(at))
		p.wantTree("out", map[string]string{"file": "old\n"})
	}
}
