package parts

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// recipe names what this file makes, so that a changed recipe or toolchain makes new images.
var recipe = "2-" + runtime.Version()

// arches are Go's names of the architectures, with Debian's.
var arches = []struct {
	platform v1.Platform
	debian   string
}{
	{v1.Platform{OS: "linux", Architecture: "amd64"}, "amd64"},
	{v1.Platform{OS: "linux", Architecture: "arm64"}, "arm64"},
	{v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, "armhf"},
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// base is an image to make. The layers are made once for each architecture, however many images share them.
type base struct {
	refs   []string
	arches int // how many of arches it has
	env    []string
	dir    string // working directory
	layers func(m *maker, arch int) ([]v1.Layer, error)
}

// bases are the images that stand in for those of docker.io.
var bases = []base{
	{refs: []string{"library/alpine:3.22", "library/busybox:latest", "library/debian:bookworm-slim"}, arches: 3,
		env: []string{"PATH=" + defaultPath}, layers: func(m *maker, arch int) ([]v1.Layer, error) { return m.layersOf(m.busybox, arch) }},
	// As the real ones: -alpine has no C compiler, the other is Debian with gcc and make.
	{refs: []string{"library/golang:1.26-alpine"}, arches: 2, env: goEnv(), dir: "/go",
		layers: func(m *maker, arch int) ([]v1.Layer, error) { return m.layersOf(m.busybox, arch, m.toolchain) }},
	{refs: []string{"library/golang:1.26"}, arches: 2, env: goEnv(), dir: "/go",
		layers: func(m *maker, arch int) ([]v1.Layer, error) { return m.layersOf(m.busybox, arch, m.gcc, m.toolchain) }},
	// The real one has no cross compiler; an image with one is what people make who cross-compile C.
	{refs: []string{"library/gcc:12-cross"}, arches: 2, env: []string{"PATH=" + defaultPath},
		layers: func(m *maker, arch int) ([]v1.Layer, error) { return m.layersOf(m.busybox, arch, m.gcc, m.crossGCC) }},
}

// goEnv is the environment of the golang images, and this machine's way to Go modules where it is not the usual one.
func goEnv() []string {
	env := []string{"PATH=/go/bin:/usr/local/go/bin:" + defaultPath, "GOPATH=/go", "GOTOOLCHAIN=local", "GOLANG_VERSION=" + strings.TrimPrefix(runtime.Version(), "go")}
	usual := map[string]string{"GOPROXY": "https://proxy.golang.org,direct", "GOSUMDB": "sum.golang.org", "GONOSUMDB": "", "GOPRIVATE": "", "GONOPROXY": "", "GOINSECURE": ""}
	for _, k := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE"} {
		if v := goVariable(k); v != usual[k] {
			env = append(env, k+"="+v)
		}
	}
	return env
}

func goVariable(key string) string {
	out, err := run(context.Background(), "go", "env", key)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// makeImages pushes every base that the mirror does not have.
func (b *Bed) makeImages(ctx context.Context, log func(format string, args ...any)) error {
	m := &maker{ctx: ctx, dir: filepath.Join(b.Dir, "images"), layers: map[string]v1.Layer{}}
	for _, img := range bases {
		var wanted []string
		for _, ref := range img.refs {
			if !b.has(ref) {
				wanted = append(wanted, ref)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		log("making %s", strings.Join(wanted, ", "))
		index, err := m.index(img)
		if err != nil {
			return err
		}
		if err := b.push(ctx, index, wanted); err != nil {
			return err
		}
	}
	if ref := "docker/dockerfile:1-labs"; !b.has(ref) {
		log("making %s", ref)
		index, err := m.frontend(filepath.Join(filepath.Dir(b.Buildkitd), "dockerfile-frontend"))
		if err != nil {
			return err
		}
		if err := b.push(ctx, index, []string{ref}); err != nil {
			return err
		}
	}
	return os.RemoveAll(m.dir)
}

func (b *Bed) has(ref string) bool {
	repo, tag, _ := strings.Cut(ref, ":")
	req, err := http.NewRequest(http.MethodHead, fmt.Sprintf("http://%s/v2/%s/manifests/%s", b.Mirror, repo, tag), nil)
	if err != nil {
		return false
	}
	req.Header.Set("Accept", string(types.OCIImageIndex))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (b *Bed) push(ctx context.Context, index v1.ImageIndex, refs []string) error {
	for _, r := range refs {
		ref, err := name.ParseReference(b.Mirror+"/"+r, name.Insecure)
		if err != nil {
			return err
		}
		if err := remote.WriteIndex(ref, index, remote.WithContext(ctx)); err != nil {
			return fmt.Errorf("pushing %s: %w", r, err)
		}
	}
	return nil
}

// index makes one image for each architecture of img.
func (m *maker) index(img base) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, a := range arches[:img.arches] {
		layers, err := img.layers(m, i)
		if err != nil {
			return nil, err
		}
		one, err := image(a.platform, v1.Config{Env: img.env, WorkingDir: img.dir, Cmd: []string{"/bin/sh"}}, layers)
		if err != nil {
			return nil, err
		}
		p := a.platform
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &p}})
	}
	return index, nil
}

// frontend makes the image of BuildKit's Dockerfile frontend, for this machine only.
func (m *maker) frontend(program string) (v1.ImageIndex, error) {
	root := filepath.Join(m.dir, "frontend")
	if err := copyFile(program, filepath.Join(root, "bin/dockerfile-frontend"), 0o755); err != nil {
		return nil, err
	}
	layer, err := m.layer("frontend", tree{from: root})
	if err != nil {
		return nil, err
	}
	p := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	one, err := image(p, v1.Config{Entrypoint: []string{"/bin/dockerfile-frontend"}, Labels: map[string]string{
		"moby.buildkit.frontend.network.none": "true",
		"moby.buildkit.frontend.caps":         "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts",
	}}, []v1.Layer{layer})
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	return mutate.AppendManifests(index, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &p}}), nil
}

func image(p v1.Platform, c v1.Config, layers []v1.Layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(img, layers...)
	if err != nil {
		return nil, err
	}
	f, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	f = f.DeepCopy()
	f.OS, f.Architecture, f.Variant, f.Config = p.OS, p.Architecture, p.Variant, c
	return mutate.ConfigFile(img, f)
}
