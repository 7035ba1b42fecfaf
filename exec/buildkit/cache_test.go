//go:build linux

package buildkit

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

const cacheable = `FROM scratch AS build
ARG TARGETARCH
COPY tool /tool
RUN ["/tool", "write", "/out", "NOW"]
RUN ["/tool", "env", "/arch", "TARGETARCH"]
FROM scratch
COPY --from=build /out /arch /
`

// freshDaemon makes the project use a buildkitd that has never built anything.
func (p *project) freshDaemon() {
	p.t.Helper()
	buildkitd := os.Getenv("BUILDKITD")
	if buildkitd == "" {
		buildkitd, _ = osexec.LookPath("buildkitd")
	}
	dir, err := os.MkdirTemp("", "xb-") // the path of a socket must be short
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { os.RemoveAll(dir) })
	addr, daemon, err := startDaemon(buildkitd, dir, "fresh")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(daemon.stop)
	b, err := Dial(p.t.Context(), addr, DialOptions{Name: "fresh", DockerConfig: p.t.TempDir(), StateDir: p.t.TempDir()})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { b.Close() })
	p.b = b
}

func (p *project) now(files ...string) {
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(p.dir, f))
		if err != nil {
			p.t.Fatal(err)
		}
		p.write(f, strings.ReplaceAll(string(text), "NOW", time.Now().String()))
	}
}

// TestCaches: what one daemon wrote, another one that has built nothing finds, for every platform.
func TestCaches(t *testing.T) {
	const both = "linux/amd64 linux/386"
	repo := strings.ToLower(t.Name())
	dir := t.TempDir()
	for _, tc := range []struct {
		name     string
		to, from schema.Cache
	}{
		{"registry", schema.Cache{Type: "registry", Attrs: map[string]string{"ref": "REGISTRY/" + repo + ":c", "mode": "max"}}, schema.Cache{Type: "registry", Attrs: map[string]string{"ref": "REGISTRY/" + repo + ":c"}}},
		{"local", schema.Cache{Type: "local", Attrs: map[string]string{"dest": dir, "mode": "max"}}, schema.Cache{Type: "local", Attrs: map[string]string{"src": dir}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProject(t, map[string]string{"Dockerfile": cacheable})
			p.now("Dockerfile")
			for _, c := range []schema.Cache{tc.to, tc.from} {
				if ref := c.Attrs["ref"]; ref != "" {
					c.Attrs["ref"] = strings.Replace(ref, "REGISTRY", bed.registry, 1)
				}
			}
			// Two targets write to one place, and neither destroys the other's.
			for _, name := range []string{"a", "b"} {
				p.target(name, both, func(b *schema.Build) {
					b.Outputs, b.Args = p.local(name), map[string]string{"NAME": name}
					b.CacheFrom, b.CacheTo = []schema.Cache{tc.from}, []schema.Cache{tc.to}
				})
			}
			p.write("b.Dockerfile", strings.Replace(cacheable, "NOW", "b "+time.Now().String(), 1))
			p.cfg.Targets[1].Base.Dockerfile = filepath.Join(p.dir, "b.Dockerfile")
			o := p.mustRun("a", "b")
			for _, name := range []string{"a", "b"} {
				if m := o.res.Caches[name]; !strings.Contains(m, `"digest":"sha256:`) {
					t.Errorf("the cache of %s has the manifest %q", name, m)
				}
			}
			for _, e := range o.events {
				if e.Type == exec.Message && !strings.Contains(e.Name, "was not read: it does not exist") || e.Type == exec.StepDone && e.Err != "" {
					t.Errorf("%s %q %s", e.Type, e.Name, e.Err)
				}
			}
			want := p.tree("a")
			p.freshDaemon()
			o = p.mustRun("a", "b")
			runs := o.done("RUN")
			if len(runs) != 8 {
				t.Errorf("%d steps, want four of each target", len(runs))
			}
			for _, e := range runs {
				if !e.Cached {
					t.Errorf("%s ran again", e.Name)
				}
			}
			if got := p.tree("a"); fmt.Sprint(got) != fmt.Sprint(want) || len(got) != 4 {
				t.Errorf("the results are %v and %v", want, got)
			}
		})
	}
}

func TestInlineCache(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"write\", \"/out\", \"NOW\"]\n"})
	p.now("Dockerfile")
	tag := bed.registry + "/inlined:1"
	p.target("x", "linux/amd64", func(b *schema.Build) {
		push(b, tag)
		b.CacheTo = []schema.Cache{{Type: "inline"}}
		b.CacheFrom = []schema.Cache{{Type: "registry", Attrs: map[string]string{"ref": tag}}}
	})
	p.mustRun("x")
	p.freshDaemon()
	if e := p.mustRun("x").done("RUN"); len(e) != 1 || !e[0].Cached {
		t.Errorf("the step is %+v, want it from the cache in the image", e)
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	dead := refusing(t) + "/x:1"
	for _, required := range []bool{false, true} {
		p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /\n"})
		p.target("x", "linux/amd64", func(b *schema.Build) {
			b.Outputs = p.local("out")
			b.CacheTo = []schema.Cache{{Type: "registry", Attrs: map[string]string{"ref": dead, "required": fmt.Sprint(required)}}}
		})
		o := p.run(p.plan("x"))
		said := slices.ContainsFunc(o.events, func(e exec.Event) bool {
			return e.Type == exec.Message && strings.Contains(e.Name, "cache of target x cannot be written to registry "+dead) && strings.Contains(e.Name, "connection refused")
		})
		switch {
		case !required:
			o.must(t, "client")
			p.wantTree("out", map[string]string{"tool": "(program)"})
			if !said {
				t.Error("nothing said that the cache was not written")
			}
		default:
			if f := o.only(t); !strings.Contains(f.Error(), "cannot be written") {
				t.Errorf("failure %v", f)
			}
			p.wantTree("out", nil)
		}
	}
}
