//go:build linux

package buildkit

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"encoding/json"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

func TestNode(t *testing.T) {
	n, err := dial(t).Node(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n.Name != "test" || len(n.Platforms) == 0 || n.Platforms[0].OS != "linux" {
		t.Errorf("node = %+v", n)
	}
}

func TestUnreachable(t *testing.T) {
	for addr, why := range map[string]string{"unix://" + t.TempDir() + "/none.sock": "no such file", "tcp://" + refusing(t): "connection refused"} {
		_, err := Dial(t.Context(), addr, DialOptions{})
		var u *Unreachable
		if !errors.As(err, &u) || u.Addr != addr || !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), "rpc error") {
			t.Errorf("error = %v", err)
		}
		if err != nil && !strings.Contains(err.Error(), why) { // as it is when patience has ended
			t.Errorf("%s: %v, want %q", addr, err, why)
		}
	}
	if _, err := Dial(t.Context(), "ftp://x", DialOptions{}); err == nil || !strings.Contains(err.Error(), "not supported") {
		t.Errorf("error = %v", err)
	}
}

// manifest is what a registry has under a tag.
type manifest struct {
	MediaType string
	Digest    string
	Manifests []struct {
		Platform struct{ OS, Architecture string }
	}
}

func fetchManifest(t *testing.T, repo, tag string) manifest {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/v2/%s/manifests/%s", bed.registry, repo, tag), nil)
	for _, mt := range []string{"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json"} {
		req.Header.Add("Accept", mt)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	m := manifest{Digest: resp.Header.Get("Docker-Content-Digest")}
	if resp.StatusCode != http.StatusOK {
		return m
	}
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	m.MediaType = resp.Header.Get("Content-Type")
	return m
}

func push(b *schema.Build, tags ...string) {
	b.Tags = tags
	b.Outputs = append(b.Outputs, schema.Output{Type: schema.OutputImage, Push: true})
}

func TestPushIndex(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nENV ARCH=$TARGETARCH\nCOPY tool /tool\nENTRYPOINT [\"/tool\"]\n"})
	p.target("multi", twoPlatforms, func(b *schema.Build) { push(b, bed.registry+"/app:1", bed.registry+"/app:latest") })
	p.target("single", "linux/arm64", func(b *schema.Build) { push(b, bed.registry+"/single:1") })
	o := p.mustRun("multi", "single")
	index := fetchManifest(t, "app", "1")
	var archs []string
	for _, m := range index.Manifests {
		archs = append(archs, m.Platform.OS+"/"+m.Platform.Architecture)
	}
	if !slices.Equal(archs, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("the index holds %v", archs)
	}
	if latest := fetchManifest(t, "app", "latest"); latest.Digest != index.Digest {
		t.Errorf("the tags differ: %s and %s", index.Digest, latest.Digest)
	}
	single := fetchManifest(t, "single", "1")
	if single.MediaType == "" || strings.Contains(single.MediaType, "index") || len(single.Manifests) > 0 {
		t.Errorf("single is a %s", single.MediaType)
	}
	if len(o.res.Outputs) != 2 || o.res.Outputs[0].Digest != index.Digest || o.res.Outputs[1].Digest != single.Digest {
		t.Errorf("outputs = %+v, want digests %s and %s", o.res.Outputs, index.Digest, single.Digest)
	}
}

func TestNoTagMovesIfABuildFails(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS good\nCOPY tool /tool\nFROM good AS bad\nRUN [\"/tool\", \"fail\", \"1\"]\n"})
	p.target("good", twoPlatforms, func(b *schema.Build) { b.Stage = "good"; push(b, bed.registry+"/half:1") })
	p.target("bad", "linux/amd64", func(b *schema.Build) { b.Stage = "bad"; push(b, bed.registry+"/half:2") })
	p.runWith(timeout(t, time.Minute), p.plan("good", "bad"), exec.Options{KeepGoing: true}, nil).only(t)
	if m := fetchManifest(t, "half", "1"); m.MediaType != "" {
		t.Errorf("the good target was pushed: %+v", m)
	}
}

func TestImages(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nENV A=1 B=2\nCOPY tool /tool\nONBUILD COPY x /x\n"})
	p.target("multi", twoPlatforms, func(b *schema.Build) { push(b, bed.registry+"/library/multi:1") })
	p.target("foreign", "linux/s390x linux/riscv64", func(b *schema.Build) { push(b, bed.registry+"/foreign:1") })
	p.target("single", "linux/arm64", func(b *schema.Build) { push(b, bed.registry+"/one:1") })
	p.target("docker", twoPlatforms, func(b *schema.Build) {
		push(b, bed.registry+"/docker:1")
		b.Outputs[0].Attrs = map[string]string{"oci-mediatypes": "false"}
	})
	p.mustRun("multi", "foreign", "single", "docker")
	dead := refusing(t) + "/x:1"
	refs := []string{"multi:1", bed.registry + "/foreign:1", bed.registry + "/one:1", bed.registry + "/docker:1", "nosuch:9", "UPPER", dead}
	got, err := p.b.Images(timeout(t, time.Minute), refs)
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"multi:1": "linux/amd64 linux/arm64", refs[1]: "linux/s390x linux/riscv64", refs[2]: "linux/arm64",
		refs[3]: "linux/amd64 linux/arm64"} {
		img := got[ref]
		if img.Err != "" || !strings.HasPrefix(img.Digest, "sha256:") || strings.Join(img.Platforms, " ") != want || img.Single != (ref == refs[2]) {
			t.Errorf("%s = %+v, want platforms %s", ref, img, want)
		}
	}
	if img := got["multi:1"]; !slices.Contains(img.Env, "A=1") || !slices.Equal(img.OnBuild, []string{"COPY x /x"}) {
		t.Errorf("configuration = %+v", img)
	}
	if img := got[refs[1]]; img.Env != nil {
		t.Errorf("environment %v of a platform that the image lacks", img.Env)
	}
	for ref, want := range map[string]string{"nosuch:9": "does not exist", "UPPER": "not an image reference", dead: "connection refused"} {
		if img := got[ref]; !strings.Contains(img.Err, want) {
			t.Errorf("%s = %+v, want %q", ref, img, want)
		}
	}
}

func TestBaseImageWithoutThePlatform(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n"})
	p.target("base", "linux/arm64 linux/amd64", func(b *schema.Build) { push(b, bed.registry+"/library/small:1") })
	p.mustRun("base")
	q := newProject(t, map[string]string{"Dockerfile": "FROM small:1\nCOPY tool /tool2\n"})
	q.target("x", "linux/s390x", func(b *schema.Build) { b.Outputs = q.local("out") })
	f := q.run(q.plan("x")).only(t)
	if f.At == nil || f.At.Start.Line != 1 || !strings.Contains(f.Error(), "small:1 does not exist for linux/s390x") {
		t.Errorf("failure = %v at %v", f, f.At)
	}
}

// TestSingleImageOfAnotherPlatform: an image that is no index is built on, whatever platform it is for.
func TestSingleImageOfAnotherPlatform(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n"})
	p.target("base", "linux/arm64", func(b *schema.Build) { push(b, bed.registry+"/library/lone:1") })
	p.mustRun("base")
	q := newProject(t, map[string]string{"Dockerfile": "FROM lone:1\nCOPY --from=lone:1 /tool /copied\n"})
	q.target("x", "linux/s390x linux/amd64", func(b *schema.Build) { b.Outputs = q.local("out") })
	q.mustRun("x")
	for _, file := range []string{"linux_s390x/tool", "linux_s390x/copied", "linux_amd64/tool", "linux_amd64/copied"} {
		if _, ok := q.tree("out")[file]; !ok {
			t.Errorf("no %s", file)
		}
	}
	// Where build checks are errors, it is one of them. Two such images are looked at at once.
	q.write("Dockerfile", "# check=error=true\nFROM lone:1 AS one\nFROM lone:1\nCOPY --from=one /tool /copied\n")
	if f := q.run(q.plan("x")).failures(t); len(f) == 0 || !strings.Contains(f[0].Error(), "InvalidBaseImagePlatform") {
		t.Errorf("a check that is an error: failures = %v", f)
	}
}

func TestUnauthorized(t *testing.T) {
	reg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer reg.Close()
	host := strings.Replace(strings.TrimPrefix(reg.URL, "http://"), "127.0.0.1", "localhost", 1)
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n", "base.Dockerfile": "FROM " + host + "/base:1\nCOPY tool /tool\n"})
	p.target("out", "linux/amd64", func(b *schema.Build) {
		push(b, host+"/app:1")
		b.Outputs[0].Attrs = map[string]string{"registry.insecure": "true"}
	})
	p.target("base", "linux/amd64", func(b *schema.Build) { b.Dockerfile = p.dir + "/base.Dockerfile" })
	for _, target := range []string{"out", "base"} {
		f := p.run(p.plan(target)).only(t)
		if f.Kind != exec.Unauthorized || !strings.Contains(f.Hint, host) || !strings.Contains(f.Hint, "config.json") || len(f.Uses) != 1 {
			t.Errorf("%s: failure = %+v: %v", target, f, f)
		}
	}
}

func TestUnwritableDestination(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	if err := os.WriteFile(p.dir+"/out", []byte("a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	if f := p.run(p.plan("x")).only(t); f.Kind != exec.OutputFailed || !strings.Contains(f.Error(), "out") {
		t.Errorf("failure = %+v", f)
	}
}

// TestTriggerNamesAStageByNumber: what an image does when it is built on counts for which stages a target uses.
func TestTriggerNamesAStageByNumber(t *testing.T) {
	p := newProject(t, map[string]string{"base.Dockerfile": "FROM scratch\nONBUILD COPY --from=1 /a /taken\n", "a": "A\n", "b": "B\n"})
	ref := bed.registry + "/triggers:1"
	p.target("base", "linux/amd64", func(b *schema.Build) {
		b.Dockerfile = filepath.Join(p.dir, "base.Dockerfile")
		push(b, ref)
	})
	p.mustRun("base")
	p.write("Dockerfile", "FROM scratch AS unused\nCOPY b /\nFROM scratch AS one\nCOPY a /\nFROM "+ref+" AS x\nCOPY b /\n")
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Stage, b.Outputs = "x", p.local("out") })
	p.mustRun("x")
	p.wantTree("out", map[string]string{"taken": "A\n", "b": "B\n"})
}
