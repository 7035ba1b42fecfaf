package entitle_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xbuild/xbuild/cmd/internal/entitle"
	"github.com/xbuild/xbuild/schema"
)

// world is a machine on which /proj is a link to /real/proj, and /real/proj/link one to /etc.
var world = entitle.World{Dir: "/proj", Free: []string{"/proj"}, Real: func(p string) string {
	for _, l := range []struct{ from, to string }{{"/proj/link", "/etc"}, {"/proj", "/real/proj"}, {"/alias", "/data"}} {
		if rest, ok := strings.CutPrefix(p, l.from); ok && (rest == "" || rest[0] == '/') {
			return l.to + rest
		}
	}
	return p
}}

func build(change func(*schema.Build)) *schema.Build {
	b := &schema.Build{Context: "/proj", Dockerfile: "/proj/Dockerfile"}
	change(b)
	return b
}

var cases = []struct {
	name        string
	build       *schema.Build
	allow, sets []string
	want        []string // the flags that are missing
}{
	{"nothing", build(func(b *schema.Build) {}), nil, nil, nil},
	{"inside", build(func(b *schema.Build) {
		b.Contexts = map[string]string{"a": "/proj/a", "t": "target:x", "i": "docker-image://x", "u": "https://example.org/x.git"}
		b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/proj/out"}, {Type: schema.OutputImage, Push: true}}
	}), nil, nil, nil},
	{"context", build(func(b *schema.Build) { b.Context, b.Dockerfile = "/lib", "/lib/Dockerfile" }), nil, nil, []string{"--allow fs.read=../lib"}},
	{"context granted", build(func(b *schema.Build) { b.Context, b.Dockerfile = "/lib/x", "/lib/x/D" }), []string{"fs.read=../lib"}, nil, nil},
	{"sibling with the same beginning", build(func(b *schema.Build) { b.Context, b.Dockerfile = "/lib-2", "/lib-2/D" }), []string{"fs.read=/lib"}, nil,
		[]string{"--allow fs.read=../lib-2"}},
	{"far away", build(func(b *schema.Build) { b.Dockerfile = "/a/b/D" }), nil, nil, []string{"--allow fs.read=../a/b/D"}},
	{"inline Dockerfile", build(func(b *schema.Build) { b.Dockerfile, b.DockerfileInline = "/a/D", "FROM scratch" }), nil, nil, nil},
	{"a link out of the folder", build(func(b *schema.Build) { b.Context = "/proj/link" }), nil, nil, []string{"--allow fs.read=link"}},
	{"a link granted by its name", build(func(b *schema.Build) { b.Context = "/proj/link" }), []string{"fs.read=link"}, nil, nil},
	{"a grant through a link", build(func(b *schema.Build) { b.Context = "/data/x" }), []string{"fs.read=/alias"}, nil, nil},
	{"output that is not there yet", build(func(b *schema.Build) { b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/new/out"}} }), nil, nil,
		[]string{"--allow fs.write=../new/out"}},
	{"output that is not there yet, granted", build(func(b *schema.Build) { b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/new/out"}} }),
		[]string{"fs.write=/new/out"}, nil, nil},
	{"reading does not allow writing", build(func(b *schema.Build) { b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/new"}} }),
		[]string{"fs.read=*"}, nil, []string{"--allow fs.write=../new"}},
	{"both", build(func(b *schema.Build) {
		b.CacheFrom = []schema.Cache{{Type: "local", Attrs: map[string]string{"src": "/c"}}, {Type: "registry", Attrs: map[string]string{"ref": "x"}}}
		b.CacheTo = []schema.Cache{{Type: "local", Attrs: map[string]string{"dest": "/c"}}}
	}), nil, nil, []string{"--allow fs=../c"}},
	{"both granted", build(func(b *schema.Build) {
		b.CacheFrom = []schema.Cache{{Type: "local", Attrs: map[string]string{"src": "/c"}}}
		b.CacheTo = []schema.Cache{{Type: "local", Attrs: map[string]string{"dest": "/c"}}}
	}), []string{"fs=/c"}, nil, nil},
	{"nested paths are asked for once", build(func(b *schema.Build) {
		b.Contexts = map[string]string{"a": "/lib/a", "l": "/lib", "b": "/lib/b"}
	}), nil, nil, []string{"--allow fs.read=../lib"}},
	{"secret and keys", build(func(b *schema.Build) {
		b.Secrets = []schema.Secret{{ID: "a", Src: "/home/me/.token"}, {ID: "b", Env: "B"}}
		b.SSH = []schema.SSH{{ID: "k", Paths: []string{"/home/me/.ssh/id"}}, {ID: "default"}}
	}), nil, nil, []string{"--allow fs.read=../home/me/.ssh/id", "--allow fs.read=../home/me/.token", "--allow ssh"}},
	{"everything", build(func(b *schema.Build) {
		b.Secrets = []schema.Secret{{ID: "a", Src: "/home/me/.token"}}
		b.SSH = []schema.SSH{{ID: "default"}}
		b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/new"}}
	}), []string{"fs=*", "ssh"}, nil, nil},
	{"oci layout", build(func(b *schema.Build) { b.Contexts = map[string]string{"a": "oci-layout:///store@sha256:1"} }), nil, nil, []string{"--allow fs.read=../store"}},
	{"privileges", build(func(b *schema.Build) {
		b.Entitlements = []string{"security.insecure", "network.host", "device=vendor.com/gpu=all,required"}
	}), nil, nil, []string{"--allow network.host", "--allow security.insecure", "--allow device=vendor.com/gpu=all"}},
	{"privileges granted", build(func(b *schema.Build) {
		b.Entitlements = []string{"security.insecure", "network.host", "device=vendor.com/gpu=all"}
	}), []string{"network.host", "security.insecure", "device=vendor.com/gpu=all"}, nil, nil},
	{"all devices", build(func(b *schema.Build) { b.Entitlements = []string{"device", "device=a"} }), []string{"device"}, nil, nil},
	{"one device does not stand for all", build(func(b *schema.Build) { b.Entitlements = []string{"device"} }), []string{"device=a"}, nil, []string{"--allow device"}},
	{"network", build(func(b *schema.Build) { b.Network = "host" }), nil, nil, []string{"--allow network.host"}},
	{"delete", build(func(b *schema.Build) {
		b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/proj/o", Attrs: map[string]string{"mode": "delete"}}}
	}), nil, nil, []string{"--allow buildx.local.delete"}},
	{"what --set says is granted", build(func(b *schema.Build) {
		b.Context, b.Dockerfile = "/lib", "/lib/Dockerfile"
		b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/new"}}
		b.Entitlements = []string{"network.host", "device=a"}
		b.CacheTo = []schema.Cache{{Type: "local", Attrs: map[string]string{"dest": "/c"}}}
	}), nil, []string{"t.context=../lib", "*.output+=type=local,dest=/new", "t.entitlements=network.host", "t.entitlement=device=a", "t.cache-to=type=local,dest=../c"}, nil},
	{"other keys of --set grant nothing", build(func(b *schema.Build) { b.Context, b.Dockerfile = "/lib", "/lib/Dockerfile" }), nil,
		[]string{"t.args.X=/lib", "t.output=/lib", "t.labels.context=/lib"}, []string{"--allow fs.read=../lib"}},
	{"oci layout with a tag", build(func(b *schema.Build) { b.Contexts = map[string]string{"a": "oci-layout://../store:latest"} }), nil, nil, []string{"--allow fs.read=../store"}},
	{"quoted", build(func(b *schema.Build) { b.Contexts = map[string]string{"a": "/my lib's"} }), nil, nil, []string{`--allow 'fs.read=../my lib'\''s'`}},
	{"images", build(func(b *schema.Build) {}), []string{"image.push=x", "image=y"}, nil, nil},
}

func TestMissing(t *testing.T) {
	for _, tc := range cases {
		g, err := entitle.Parse(tc.allow, world)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		missing := g.FromSets(tc.sets, world).Missing(entitle.Needs("t", tc.build, world, true), world)
		got := entitle.Flags(missing, world)
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
		for _, n := range missing {
			if n.Target != "t" || n.Attr == "" || strings.HasPrefix(n.Describe(world), "asks for") {
				t.Errorf("%s: %+v: %s", tc.name, n, n.Describe(world))
			}
		}
		if len(got) == 0 {
			continue
		}
		// What is said to be missing is enough.
		var allow []string
		for _, f := range got {
			allow = append(allow, strings.ReplaceAll(strings.Trim(strings.TrimPrefix(f, "--allow "), "'"), `'\''`, "'"))
		}
		g, err = entitle.Parse(slices.Concat(tc.allow, allow), world)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if left := g.FromSets(tc.sets, world).Missing(entitle.Needs("t", tc.build, world, true), world); len(left) > 0 {
			t.Errorf("%s: %v do not allow %v", tc.name, allow, left)
		}
	}
}

// TestPathsDoNotCount: without paths only privileges are asked for.
func TestPathsDoNotCount(t *testing.T) {
	b := build(func(b *schema.Build) {
		b.Context, b.Network = "/lib", "host"
		b.SSH = []schema.SSH{{ID: "default"}}
		b.Outputs = []schema.Output{{Type: schema.OutputLocal, Dest: "/new"}}
	})
	got := entitle.Flags(entitle.Grants{}.Missing(entitle.Needs("t", b, world, false), world), world)
	if d := cmp.Diff([]string{"--allow network.host"}, got); d != "" {
		t.Error(d)
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"network": "want one of", "fs.read": "fs.read=PATH", "fs=": "fs=PATH", "ssh=default": "takes no value", "buildx.local.delete=1": "takes no value",
		"network.host=1": "takes no value", "": "want one of",
	} {
		if _, err := entitle.Parse([]string{in}, world); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--allow "+in) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// pathless are the texts of a schema.Build that name nothing on this machine, and why.
var pathless = map[string]string{
	"DockerfileInline": "the text of a Dockerfile", "Stage": "a name", "Args": "values", "SensitiveArgs": "names", "Hidden": "values", "Labels": "values", "Tags": "names of images",
	"Strategy": "a name", "NoCacheFilter": "names", "Annotations": "values", "Network": "a mode", "Ulimits": "numbers", "ExtraHosts": "addresses",
	"Resources": "numbers", "Entitlements": "a need of its own", "Call": "a question", "Policies.File": "policies of this kind are refused, not read",
	"Policies.LogLevel": "a level", "Outputs.Type": "a kind", "Outputs.Attrs": "options; the destination is Dest", "CacheFrom.Type": "a kind", "CacheTo.Type": "a kind",
	"Secrets.ID": "a name", "Secrets.Env": "a variable of the environment", "SSH.ID": "a name", "Attest.Type": "a kind", "Attest.Attrs": "options for BuildKit",
}

// TestEveryPath: each text of a schema.Build, filled with a path outside, is either something that must be granted or listed
// above. A new attribute that names a path cannot be forgotten.
func TestEveryPath(t *testing.T) {
	used := map[string]bool{}
	var fields func(typ reflect.Type, name string, build func(reflect.Value) *schema.Build)
	check := func(name string, b *schema.Build) {
		t.Helper()
		if pathless[name] != "" {
			used[name] = true
			return
		}
		for _, n := range entitle.Needs("t", b, world, true) {
			if n.Value == "/outside/x" {
				return
			}
		}
		t.Errorf("%s = /outside/x needs no grant: list it in files, or above with the reason", name)
	}
	fields = func(typ reflect.Type, name string, build func(reflect.Value) *schema.Build) {
		switch typ.Kind() {
		case reflect.String:
			check(name, build(reflect.ValueOf("/outside/x").Convert(typ)))
		case reflect.Slice:
			fields(typ.Elem(), name, func(v reflect.Value) *schema.Build {
				return build(reflect.Append(reflect.MakeSlice(typ, 0, 1), v))
			})
		case reflect.Map:
			if pathless[name] != "" {
				used[name] = true
				return
			}
			fields(typ.Elem(), name, func(v reflect.Value) *schema.Build {
				m := reflect.MakeMap(typ)
				for _, key := range []string{"src", "dest", "any"} { // the keys of local caches, and one of a named context
					m.SetMapIndex(reflect.ValueOf(key), v)
				}
				return build(m)
			})
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				n := f.Name
				if name != "" {
					n = name + "." + f.Name
				}
				if f.Type.Kind() == reflect.Struct || f.Type.Kind() == reflect.Bool || f.Type.Kind() == reflect.Pointer {
					continue
				}
				fields(f.Type, n, func(v reflect.Value) *schema.Build {
					s := reflect.New(typ).Elem()
					s.Field(i).Set(v)
					if k := s.FieldByName("Type"); f.Name == "Attrs" && k.IsValid() && k.Kind() == reflect.String {
						k.SetString("local")
					}
					return build(s)
				})
			}
		}
	}
	fields(reflect.TypeFor[schema.Build](), "", func(v reflect.Value) *schema.Build { b := v.Interface().(schema.Build); return &b })
	for name := range pathless {
		if !used[name] {
			t.Errorf("%s is listed, and schema.Build has no such text", name)
		}
	}
}

// TestProjectRoot: what an xbuild.hcl may use freely.
func TestProjectRoot(t *testing.T) {
	top := t.TempDir()
	real, err := filepath.EvalSymlinks(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"home/.git", "home/plain", "home/repo/.git", "home/repo/sub", "other/sub"} {
		if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(top, "home/repo/sub"), filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"home/repo/xbuild.hcl":     "home/repo",
		"home/repo/sub/xbuild.hcl": "home/repo",
		"link/xbuild.hcl":          "home/repo",
		"other/sub/xbuild.hcl":     "other/sub",  // there is no repository
		"home/plain/xbuild.hcl":    "home/plain", // its repository is the home directory
		"home/xbuild.hcl":          "",
	} {
		if want != "" {
			want = filepath.Join(real, want)
		}
		if got := entitle.ProjectRoot(filepath.Join(top, file), []string{filepath.Join(top, "home"), ""}); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	if got := entitle.ProjectRoot("/xbuild.hcl", nil); got != "" {
		t.Errorf("/xbuild.hcl: %q", got)
	}
}

// TestRealPaths: links are followed wherever they stand, also those to what does not exist yet.
func TestRealPaths(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(top, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"l": "a", "a/up": "..", "a/b/new": "../../none", "abs": filepath.Join(top, "a/none"), "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	real := entitle.RealPaths()
	for p, want := range map[string]string{"a/b": "a/b", "l/b/x/y": "a/b/x/y", "a/up/a/b": "a/b", "l/up/l": "a", "a/b/new": "none", "a/b/new/x": "none/x", "abs/z": "a/none/z", "loop": "loop"} {
		for range 2 { // the second answer is remembered
			if got := real(filepath.Join(top, p)); got != filepath.Join(top, want) {
				t.Errorf("%s: %s, want %s", p, got, want)
			}
		}
	}
}
