package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

const engineDockerfile = "FROM alpine:3.22\nARG TARGETARCH\nRUN --network=none echo $TARGETARCH > /arch\n"

// engineProject is a target for two platforms that goes to an engine and to a directory.
func engineProject(t *testing.T, tag string) string {
	return project(t, map[string]string{"Dockerfile": engineDockerfile, "xbuild.hcl": fmt.Sprintf(`target "default" {
  platforms = ["linux/amd64", "linux/arm64"]
  strategy  = "as-written"
  tags      = [%q]
  output    = ["type=docker", "out"]
}
`, tag)})
}

// engine starts a Docker Engine.
func engine(t *testing.T, containerd bool) *parts.Engine {
	t.Helper()
	e, err := bed(t).StartEngine(t.Context(), shortDir(t), containerd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

// image is what an engine says of an image; empty if it has none of that name.
type image struct {
	Id, Architecture string
	Descriptor       struct{ MediaType, Digest string }
	Config           struct{ Labels map[string]string }
}

// engineLabel is the label "name" of an image in an engine.
func engineLabel(t *testing.T, e *parts.Engine, image string) string {
	t.Helper()
	return imageIn(t, e, image).Config.Labels["name"]
}

func imageIn(t *testing.T, e *parts.Engine, name string) image {
	t.Helper()
	resp, err := e.Client.Get("http://docker/images/" + name + "/json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var i image
	if resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(resp.Body).Decode(&i); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// TestEngineWithContainerdStore: with nothing but a Docker Engine, xbuild builds on its BuildKit; an image for two platforms
// is loaded as one index, and pushed as the same.
func TestEngineWithContainerdStore(t *testing.T) {
	e := engine(t, true)
	dir := engineProject(t, "e2e/app:1")
	w := newWorld(t, dir, "DOCKER_HOST="+e.Address)
	w.ok(t, "run")
	if i := imageIn(t, e, "e2e/app:1"); !strings.Contains(i.Descriptor.MediaType, "index") {
		t.Errorf("the engine has %+v, want an index", i)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if got := read(t, filepath.Join(dir, "out", "linux_"+arch, "arch")); got != arch+"\n" {
			t.Errorf("linux/%s has %q", arch, got)
		}
	}
	// As in Bake, a target of its files that names no output is loaded.
	write(t, filepath.Join(dir, "bake", "docker-bake.hcl"), "target \"default\" {\n  dockerfile-inline = \"FROM alpine:3.22\"\n  tags = [\"e2e/bake:1\"]\n}\n")
	bake := newWorld(t, filepath.Join(dir, "bake"), "DOCKER_HOST="+e.Address)
	bake.ok(t, "run", "-f", "docker-bake.hcl")
	if i := imageIn(t, e, "e2e/bake:1"); i.Id == "" {
		t.Error("the target of docker-bake.hcl was not loaded")
	}
	tag := bed(t).Registry + "/engine/app:1"
	r := w.ok(t, "run", "--set", "default.output=type=registry", "--set", "default.tags="+tag, "--metadata-file", "meta.json")
	index := pulled(t, tag, nil)
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.stdout, digest.String()) || !strings.Contains(read(t, filepath.Join(dir, "meta.json")), digest.String()) {
		t.Errorf("%s is not in the result %q or the metadata", digest, r.stdout)
	}
	if m, err := index.IndexManifest(); err != nil || len(m.Manifests) != 2 {
		t.Errorf("the index is %+v (%v), want two platforms", m, err)
	}
	if m := read(t, filepath.Join(dir, "meta.json")); !strings.Contains(m, `"buildx.build.ref": "default/default/`) || !strings.Contains(m, `"buildx.build.provenance/linux/arm64": {`) {
		t.Errorf("the metadata lacks the reference of docker buildx or the provenance:\n%s", m)
	}
	checkStreams(t, w)
}

// checkStreams checks what programs are told of a run that has an image to load.
func checkStreams(t *testing.T, w *world) {
	t.Helper()
	steps, _ := status(t, w.ok(t, "run", "--no-cache", "--platform", "linux/amd64", "--progress", "rawjson").stderr)
	if !slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "RUN --network=none echo amd64") }) || !slices.Contains(steps, "exporting to image") {
		t.Errorf("the steps of BuildKit's stream: %q", steps)
	}
	ev := events(t, w.ok(t, "run", "--platform", "linux/amd64", "--force", "--progress", "json").stderr)
	if end := ev["end"]; len(end) != 1 || end[0]["ok"] != true || len(ev["output"]) != 2 {
		t.Errorf("end %v, outputs %v", end, ev["output"])
	}
}

// TestEngineWithClassicStore: what the classic store cannot hold is refused before anything is built, with what to do, and plan says so; one
// platform is loaded and pushed.
func TestEngineWithClassicStore(t *testing.T) {
	e := engine(t, false)
	dir := engineProject(t, "e2e/app:1")
	w := newWorld(t, dir, "DOCKER_HOST="+e.Address)
	for _, args := range [][]string{{}, {"--set", "default.output=type=oci,dest=x.tar", "--platform", "linux/amd64"}, {"--provenance", "true", "--platform", "linux/amd64"}} {
		r := w.code(t, 1, append([]string{"run", "--progress", "plain"}, args...)...)
		if !strings.Contains(r.stderr, "classic store") || !strings.Contains(r.stderr, "containerd-snapshotter") || strings.Contains(r.stderr, "RUN --network=none echo amd64") {
			t.Errorf("run %v: want a refusal before the build, got\n%s", args, r.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("something was written")
	}
	for at, args := range map[string][]string{"xbuild.hcl:": {}, "--set:1:1": {"--set", "default.output=type=oci,dest=x.tar", "--platform", "linux/amd64"},
		"xbuild.hcl:5:3": {"--set", "default.attest=type=provenance", "--platform", "linux/amd64"}} {
		r := w.code(t, 2, append([]string{"plan"}, args...)...)
		if !strings.Contains(r.stderr, "classic store") || !strings.Contains(r.stderr, "containerd-snapshotter") || !strings.Contains(r.stderr, "--> "+at) {
			t.Errorf("plan %v does not say what the run refuses, and where:\n%s", args, r.stderr)
		}
	}
	w.ok(t, "plan", "--platform", "linux/amd64")
	w.ok(t, "run", "--platform", "linux/amd64")
	if i := imageIn(t, e, "e2e/app:1"); i.Architecture != "amd64" {
		t.Errorf("the engine has %+v", i)
	}
	tag := bed(t).Registry + "/engine/classic:1"
	r := w.ok(t, "run", "--platform", "linux/amd64", "--allow-partial-tags", "--set", "default.output=type=registry", "--set", "default.tags="+tag)
	if !strings.Contains(r.stdout, tag+"@sha256:") {
		t.Errorf("the result does not name the digest: %s", r.stdout)
	}
}

// TestTagsOfPlatformsInAnEngine: a tag that one of several platforms has names the image of that platform in an engine of either kind,
// from a BuildKit of its own and from another one.
func TestTagsOfPlatformsInAnEngine(t *testing.T) {
	dir := project(t, map[string]string{"Dockerfile": engineDockerfile, "xbuild.hcl": `target "default" {
  platforms = ["linux/amd64", "linux/arm64"]
  strategy  = "as-written"
  tags      = ["e2e/single:${platform.arch}"]
  output    = ["type=docker"]
}
`})
	for _, containerd := range []bool{true, false} {
		for _, own := range []bool{true, false} {
			e := engine(t, containerd)
			w := newWorld(t, dir, "DOCKER_HOST="+e.Address)
			if !own {
				w = external(t, dir)
				w.env = append(w.env, "DOCKER_HOST="+e.Address)
			}
			w.ok(t, "run")
			for _, arch := range []string{"amd64", "arm64"} {
				i := imageIn(t, e, "e2e/single:"+arch)
				if i.Architecture != arch || strings.Contains(i.Descriptor.MediaType, "index") {
					t.Errorf("containerd store %v, own BuildKit %v: e2e/single:%s is %+v", containerd, own, arch, i)
				}
			}
		}
	}
}

// TestLoadIntoAnEngine: an image that another BuildKit built is loaded into an engine of either kind, and a missing engine is
// told before the build.
func TestLoadIntoAnEngine(t *testing.T) {
	dir := engineProject(t, "e2e/sent:1")
	for _, containerd := range []bool{true, false} {
		e := engine(t, containerd)
		w := external(t, dir)
		w.env = append(w.env, "DOCKER_HOST="+e.Address)
		args := []string{"run"}
		if !containerd {
			args = append(args, "--platform", "linux/amd64")
		}
		w.ok(t, args...)
		if i := imageIn(t, e, "e2e/sent:1"); i.Id == "" || containerd != strings.Contains(i.Descriptor.MediaType, "index") {
			t.Errorf("containerd store %v: the engine has %+v", containerd, i)
		}
	}
	w := external(t, dir)
	w.env = append(w.env, "DOCKER_HOST=unix:///nowhere.sock")
	if r := w.code(t, 1, "run", "--progress", "plain"); !strings.Contains(r.stderr, "no Docker Engine answers at unix:///nowhere.sock") || strings.Contains(r.stderr, "CACHED") {
		t.Errorf("want a refusal before the build, got\n%s", r.stderr)
	}
}

// TestClassicStoreHasTheBase: an image that is only in the engine's classic store is a base for its own platform, whatever the
// machine's is, and for no other.
func TestClassicStoreHasTheBase(t *testing.T) {
	e := engine(t, false)
	dir := project(t, map[string]string{"Dockerfile": engineDockerfile, "Dockerfile.app": "FROM store/base:1\nRUN --network=none cat /arch > /seen\n",
		"docker-bake.hcl": `target "base" {
  platforms = ["linux/arm64"]
  tags      = ["store/base:1"]
  output    = ["type=docker"]
}
target "app" {
  dockerfile = "Dockerfile.app"
  platforms  = ["linux/arm64"]
  output     = ["out"]
}
`})
	w := newWorld(t, dir, "DOCKER_HOST="+e.Address)
	w.ok(t, "run", "base")
	w.ok(t, "plan", "app")
	w.ok(t, "run", "app")
	if got := read(t, filepath.Join(dir, "out", "seen")); got != "arm64\n" {
		t.Errorf("the step saw the base of %q", got)
	}
	for _, verb := range []string{"plan", "run"} {
		if r := w.code(t, 2, verb, "app", "--set", "app.platform=linux/amd64"); !strings.Contains(r.stderr, "store/base:1") || !strings.Contains(r.stderr, "linux/arm64") {
			t.Errorf("%s for a platform that is not there does not name the image and its platform:\n%s", verb, r.stderr)
		}
	}
}
