//go:build linux

package buildkit

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// entries lists what a tar archive holds; small files with their text.
func (p *project) entries(archive string) map[string]string {
	p.t.Helper()
	f, err := os.Open(filepath.Join(p.dir, archive))
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			p.t.Fatalf("%s: %v", archive, err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(text) > 100000 {
			text = []byte("(program)")
		}
		out[h.Name] = string(text)
	}
}

const perArch = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n"

func TestTarArchives(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n", "arm64": "b\n"})
	dest := func(name string) []schema.Output {
		return []schema.Output{{Type: schema.OutputTar, Dest: filepath.Join(p.dir, name)}}
	}
	p.target("one", "linux/amd64", func(b *schema.Build) { b.Outputs = append(dest("out/one.tar"), p.local("files")...) })
	p.target("two", twoPlatforms, func(b *schema.Build) { b.Outputs = dest("out/two.tar") })
	each := p.target("each", twoPlatforms, nil)
	each.PerPlatform = map[schema.Platform]*schema.Build{}
	for _, q := range each.Platforms {
		b := each.Base
		b.Outputs = dest("out/" + q.Slug() + ".tar")
		each.PerPlatform[q] = &b
	}
	o := p.mustRun("one", "two", "each")
	for name, want := range map[string]map[string]string{"out/one.tar": {"arch": "a\n"}, "out/two.tar": {"linux_amd64/arch": "a\n", "linux_arm64/arch": "b\n"},
		"out/linux_amd64.tar": {"arch": "a\n"}, "out/linux_arm64.tar": {"arch": "b\n"}} {
		if got := p.entries(name); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s holds %v, want %v", name, got, want)
		}
	}
	p.wantTree("files", map[string]string{"arch": "a\n"})
	if len(o.res.Outputs) != 5 {
		t.Errorf("outputs %+v, want five", o.res.Outputs)
	}
	for _, r := range o.res.Outputs {
		if r.Files != 1 || r.Bytes == 0 || r.Unchanged {
			t.Errorf("output %+v, want one new file", r)
		}
	}
	// One platform of two keeps the layout; and what is there stays if the build fails.
	p.write("out/two.tar", "old")
	p.write("Dockerfile", "FROM scratch\nCOPY tool /\nRUN [\"/tool\", \"fail\", \"1\"]\n")
	p.run(p.plan("two")).only(t)
	if text, _ := os.ReadFile(filepath.Join(p.dir, "out/two.tar")); string(text) != "old" {
		t.Error("a failed build replaced the archive")
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "out", ".xbuild*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOCIArchiveAndLayout(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n", "arm64": "b\n"})
	p.target("two", twoPlatforms, func(b *schema.Build) {
		b.Tags = []string{"example.org/app:1"}
		b.Annotations = []string{"index:org.test.where=index", "manifest[linux/arm64]:org.test.where=arm", "org.test.all=x=y"}
		b.Outputs = []schema.Output{{Type: schema.OutputOCI, Dest: filepath.Join(p.dir, "app.tar")},
			{Type: schema.OutputOCI, Dest: filepath.Join(p.dir, "layout"), Attrs: map[string]string{"tar": "false"}}}
	})
	o := p.mustRun("two")
	archive := p.entries("app.tar")
	layout := p.tree("layout")
	for where, files := range map[string]map[string]string{"archive": archive, "layout": layout} {
		var top, index ocispecs.Index
		if err := json.Unmarshal([]byte(files["index.json"]), &top); err != nil || len(top.Manifests) != 1 {
			t.Fatalf("%s: index.json %q (%v)", where, files["index.json"], err)
		}
		if n := top.Manifests[0].Annotations["io.containerd.image.name"]; n != "example.org/app:1" {
			t.Errorf("%s: the image is called %q", where, n)
		}
		blob := func(d ocispecs.Descriptor) string { return files["blobs/sha256/"+d.Digest.Encoded()] }
		if err := json.Unmarshal([]byte(blob(top.Manifests[0])), &index); err != nil || len(index.Manifests) != 2 || index.Annotations["org.test.where"] != "index" {
			t.Fatalf("%s: index %+v (%v)", where, index, err)
		}
		for _, m := range index.Manifests {
			var image ocispecs.Manifest
			if err := json.Unmarshal([]byte(blob(m)), &image); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"amd64": "", "arm64": "arm"}[m.Platform.Architecture]
			if image.Annotations["org.test.where"] != want || image.Annotations["org.test.all"] != "x=y" {
				t.Errorf("%s: %s is annotated %v", where, m.Platform.Architecture, image.Annotations)
			}
			if d := o.res.Outputs[0].Platforms["linux/"+m.Platform.Architecture]; d != m.Digest.String() {
				t.Errorf("%s: the report says %s of %s, not %s", where, d, m.Platform.Architecture, m.Digest)
			}
		}
	}
	for name := range layout {
		if strings.HasPrefix(name, "ingest") || strings.Contains(name, "lock") {
			t.Errorf("the layout has %s", name)
		}
	}
	if st, err := os.Stat(filepath.Join(p.dir, "layout", "ingest")); err == nil {
		t.Errorf("the layout has %s", st.Name())
	}
}

// TestTagsOfSinglePlatforms: a tag that one of several platforms has names its image in an archive and a directory, and the index only
// if all have it.
func TestTagsOfSinglePlatforms(t *testing.T) {
	for _, common := range []string{"", "example.org/app:all"} {
		p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n", "arm64": "b\n"})
		two := p.target("two", twoPlatforms, func(b *schema.Build) {
			b.Outputs = []schema.Output{{Type: schema.OutputOCI, Dest: filepath.Join(p.dir, "app.tar")},
				{Type: schema.OutputOCI, Dest: filepath.Join(p.dir, "layout"), Attrs: map[string]string{"tar": "false"}}}
		})
		two.PerPlatform = map[schema.Platform]*schema.Build{}
		for _, q := range two.Platforms {
			b := two.Base
			if b.Tags = []string{"example.org/app:" + q.Arch}; common != "" {
				b.Tags = append(b.Tags, common)
			}
			two.PerPlatform[q] = &b
		}
		o := p.mustRun("two")
		for where, files := range map[string]map[string]string{"archive": p.entries("app.tar"), "layout": p.tree("layout")} {
			var top ocispecs.Index
			text, err := []byte(files["index.json"]), error(nil)
			if where == "layout" { // a tree leaves long texts out
				text, err = os.ReadFile(filepath.Join(p.dir, "layout", "index.json"))
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &top); err != nil {
				t.Fatalf("%s: index.json %q (%v)", where, text, err)
			}
			got := map[string]string{}
			for _, m := range top.Manifests {
				got[m.Annotations["io.containerd.image.name"]+" "+m.Annotations["org.opencontainers.image.ref.name"]] = m.Digest.String()
			}
			platforms := o.res.Outputs[0].Platforms
			want := map[string]string{"example.org/app:amd64 amd64": platforms["linux/amd64"], "example.org/app:arm64 arm64": platforms["linux/arm64"]}
			if common != "" {
				want[common+" all"] = o.res.Outputs[0].Digest
			}
			if !maps.Equal(got, want) || len(top.Manifests) != len(want) {
				t.Errorf("%s with %q: names %v, want %v", where, common, got, want)
			}
			if _, ok := files["oci-layout"]; !ok {
				t.Errorf("%s: there is no oci-layout", where)
			}
		}
	}
}

func TestDockerArchive(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n"})
	p.target("one", "linux/amd64", func(b *schema.Build) {
		b.Tags = []string{"app:1", "app:2"}
		b.Outputs = []schema.Output{{Type: schema.OutputDocker, Dest: filepath.Join(p.dir, "app.tar")}}
	})
	p.mustRun("one")
	var m []struct{ RepoTags []string }
	if err := json.Unmarshal([]byte(p.entries("app.tar")["manifest.json"]), &m); err != nil || len(m) != 1 || len(m[0].RepoTags) != 2 {
		t.Errorf("manifest.json %+v (%v), want one image with two tags", m, err)
	}
}

// TestTagsMoveLast: if one of several images cannot be pushed, no tag of the others moves, and all that was pushed is
// without a tag. If all can, everything arrives by digest before the first tag.
func TestTagsMoveLast(t *testing.T) {
	dial(t) // starts the registry
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: bed.registry})
	var mu sync.Mutex
	var puts []string
	refuse := "/v2/tags/bad/"
	reg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if refuse != "" && strings.HasPrefix(r.URL.Path, refuse) && r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			puts = append(puts, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		}
		proxy.ServeHTTP(w, r)
	}))
	defer reg.Close()
	host := strings.Replace(strings.TrimPrefix(reg.URL, "http://"), "127.0.0.1", "localhost", 1)
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n" + time.Now().String(), "arm64": "b\n"})
	insecure := func(b *schema.Build) { b.Outputs[0].Attrs = map[string]string{"registry.insecure": "true"} }
	p.target("good", twoPlatforms, func(b *schema.Build) { push(b, host+"/tags/good:1", host+"/tags/good:2"); insecure(b) })
	p.target("bad", "linux/amd64", func(b *schema.Build) { push(b, host+"/tags/bad:1"); insecure(b) })
	f := p.runWith(timeout(t, time.Minute), p.plan("good", "bad"), exec.Options{}, nil).only(t)
	if len(f.Uses) != 1 || f.Uses[0].Target != "bad" {
		t.Errorf("failure %+v: %v", f, f)
	}
	tag := func(s string) bool { return !strings.HasPrefix(s, "sha256:") }
	mu.Lock()
	if i := slices.IndexFunc(puts, tag); i >= 0 {
		t.Errorf("manifests were put as %q: a tag moved", puts)
	}
	puts, refuse = nil, ""
	mu.Unlock()
	o := p.mustRun("good", "bad")
	first := slices.IndexFunc(puts, tag)
	last := len(puts) - 1
	for last >= 0 && tag(puts[last]) {
		last--
	}
	tags := slices.DeleteFunc(slices.Clone(puts), func(s string) bool { return !tag(s) })
	if first < 0 || first < 2 || len(tags) != 3 {
		t.Errorf("manifests were put as %q, want digests first, then three tags", puts)
	}
	good := fetchManifest(t, "tags/good", "2")
	if good.Digest != o.res.Outputs[0].Digest || len(good.Manifests) != 2 {
		t.Errorf("good:2 is %+v, the report says %+v", good, o.res.Outputs)
	}
	for _, m := range o.res.Outputs[0].Platforms {
		if got := fetchManifest(t, "tags/good", m); got.MediaType == "" {
			t.Errorf("%s is not in the registry", m)
		}
	}
}

func TestPushByDigest(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) {
		b.Outputs = []schema.Output{{Type: schema.OutputImage, Push: true, Attrs: map[string]string{"push-by-digest": "true", "name": bed.registry + "/untagged"}}}
	})
	o := p.mustRun("x")
	if m := fetchManifest(t, "untagged", o.res.Outputs[0].Digest); m.MediaType == "" {
		t.Errorf("%+v is not in the registry", o.res.Outputs)
	}
	if m := fetchManifest(t, "untagged", "latest"); m.MediaType != "" {
		t.Error("it got a tag")
	}
}

// TestFlakyRegistry: a push that the network stopped is tried again.
func TestFlakyRegistry(t *testing.T) {
	dial(t) // starts the registry
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: bed.registry})
	var mu sync.Mutex
	cut := 8 // BuildKit itself tries some of its requests again
	reg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := cut > 0 && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
		if now {
			cut--
		}
		mu.Unlock()
		if now {
			http.Error(w, "come back later", http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer reg.Close()
	host := strings.Replace(strings.TrimPrefix(reg.URL, "http://"), "127.0.0.1", "localhost", 1)
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": time.Now().String()})
	p.target("x", "linux/amd64", func(b *schema.Build) {
		push(b, host+"/flaky:1")
		b.Outputs[0].Attrs = map[string]string{"registry.insecure": "true"}
	})
	o := p.mustRun("x")
	if !slices.ContainsFunc(o.events, func(e exec.Event) bool { return e.Type == exec.Message && strings.Contains(e.Name, "tried again") }) {
		t.Error("nothing said that the push was tried again")
	}
	if m := fetchManifest(t, "flaky", "1"); m.MediaType == "" {
		t.Error("it was not pushed")
	}
}

func TestArchiveToStdout(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": perArch, "amd64": "a\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = []schema.Output{{Type: schema.OutputTar, Dest: schema.Stdout}} })
	if f := p.run(p.plan("x")).only(t); !strings.Contains(f.Error(), "terminal") {
		t.Errorf("failure %v, want that there is nowhere to write to", f)
	}
	var out bytes.Buffer
	p.b.opt.Stdout = &out
	p.mustRun("x")
	h, err := tar.NewReader(&out).Next()
	if err != nil || h.Name != "arch" {
		t.Errorf("standard output begins with %+v (%v)", h, err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "xbuild-*.tar")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
