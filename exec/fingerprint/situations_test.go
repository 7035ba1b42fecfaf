package fingerprint

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// built is a project that was built, and left alone for long enough.
func built(t *testing.T, change func(*project)) *project {
	t.Helper()
	p := newProject(t.TempDir())
	put(t, filepath.Join(p.context, ".dockerignore"), "**/*.log\nignored\n")
	if change != nil {
		change(p)
	}
	time.Sleep(testRacy + time.Millisecond)
	p.run(t, p.plan())
	time.Sleep(testRacy + time.Millisecond)
	return p
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run builds what has to run and returns what had not to.
func (p *project) run(t *testing.T, pl *plan.Plan) []plan.Use {
	t.Helper()
	d := p.open().Check(context.Background(), pl, "", p.world())
	if len(d.Why) == 0 {
		return d.Unchanged
	}
	rep, err := p.build(d, pl.Without(d.Unchanged))
	must(t, err)
	must(t, rep.Err)
	must(t, d.Remember(rep))
	return d.Unchanged
}

// TestUnchanged lists what must not cost a build.
func TestUnchanged(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, p *project){
		"nothing":                     func(*testing.T, *project) {},
		"an ignored file is edited":   func(t *testing.T, p *project) { put(t, filepath.Join(p.context, "sub/x.log"), "more") },
		"an ignored file is new":      func(t *testing.T, p *project) { put(t, filepath.Join(p.context, "y.log"), "new") },
		"a folder is ignored":         func(t *testing.T, p *project) { put(t, filepath.Join(p.context, "ignored/deep/file"), "new") },
		"a file outside the contexts": func(t *testing.T, p *project) { put(t, filepath.Join(p.dir, "README"), "new") },
		"a file of the user's in the output": func(t *testing.T, p *project) {
			put(t, filepath.Join(p.dest, "linux_amd64/mine"), "new")
		},
		"a file comes and goes": func(t *testing.T, p *project) {
			put(t, filepath.Join(p.context, "here"), "new")
			must(t, os.Remove(filepath.Join(p.context, "here")))
		},
		"a staging folder of another run": func(t *testing.T, p *project) {
			put(t, filepath.Join(p.context, ".xbuild-stage-1", "files"), "new")
		},
		"times of a folder": func(t *testing.T, p *project) {
			must(t, os.Chtimes(filepath.Join(p.context, "sub"), time.Now(), time.Now()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := built(t, func(p *project) { p.push = true })
			do(t, p)
			d := p.open().Check(context.Background(), p.plan(), "", p.world())
			if len(d.Unchanged) != 2 {
				t.Fatalf("unchanged: %v; %v", d.Unchanged, d.Why)
			}
			if len(d.Outputs) != 2 || d.Outputs[0].Files != 4 || !d.Outputs[0].Unchanged || d.Outputs[1].Digest != p.tags[tagName] {
				t.Errorf("outputs: %+v", d.Outputs)
			}
		})
	}
}

// TestStateInContext: xbuild's own directory is no part of a context that it lies in, also if the first run makes it.
func TestStateInContext(t *testing.T) {
	for name, c := range map[string]struct {
		state func(*project) string
		there bool // before the first run
	}{
		"below":               {state: func(p *project) string { return filepath.Join(p.context, "sub", "state") }},
		"below, and there":    {state: func(p *project) string { return filepath.Join(p.context, "sub", "state") }, there: true},
		"of a named context":  {state: func(p *project) string { return filepath.Join(p.extra, "state") }},
		"through a link":      {state: func(p *project) string { return filepath.Join(p.dir, "link", "other", "state") }},
		"in an ignored place": {state: func(p *project) string { return filepath.Join(p.context, "ignored", "state") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := built(t, func(p *project) {
				must(t, os.Symlink(p.context, filepath.Join(p.dir, "link")))
				p.state = c.state(p)
				if c.there {
					must(t, os.MkdirAll(p.state, 0o700))
				}
			})
			put(t, filepath.Join(p.state, "buildkit", "new"), "x")
			if d := p.open().Check(context.Background(), p.plan(), "", p.world()); len(d.Unchanged) != 2 {
				t.Errorf("unchanged: %v; %v", d.Unchanged, d.Why)
			}
			put(t, filepath.Join(p.context, "state2"), "x")
			if d := p.open().Check(context.Background(), p.plan(), "", p.world()); len(d.Unchanged) != 0 {
				t.Errorf("a new file of the context is not seen: %v", d.Unchanged)
			}
		})
	}
}

// TestChanged lists what must cost a build, each alone.
func TestChanged(t *testing.T) {
	forged := func(t *testing.T, f string) {
		t.Helper()
		if forge(f, func(n int) []byte { return []byte(strings.Repeat("z", n)) }) == "" {
			t.Fatal("not forged")
		}
	}
	for name, do := range map[string]func(t *testing.T, p *project){
		"content":              func(t *testing.T, p *project) { put(t, filepath.Join(p.context, "a.txt"), "other content") },
		"same size, same time": func(t *testing.T, p *project) { forged(t, filepath.Join(p.context, "a.txt")) },
		"mode":                 func(t *testing.T, p *project) { must(t, os.Chmod(filepath.Join(p.context, "a.txt"), 0o755)) },
		"mode of a folder":     func(t *testing.T, p *project) { must(t, os.Chmod(filepath.Join(p.context, "sub"), 0o700)) },
		"rename": func(t *testing.T, p *project) {
			must(t, os.Rename(filepath.Join(p.context, "a.txt"), filepath.Join(p.context, "c.txt")))
		},
		"rename of a folder": func(t *testing.T, p *project) {
			must(t, os.Rename(filepath.Join(p.context, "other"), filepath.Join(p.context, "other2")))
		},
		"a new file":         func(t *testing.T, p *project) { put(t, filepath.Join(p.context, "other/new"), "") },
		"a new empty folder": func(t *testing.T, p *project) { must(t, os.Mkdir(filepath.Join(p.context, "empty"), 0o755)) },
		"a file is removed":  func(t *testing.T, p *project) { must(t, os.Remove(filepath.Join(p.context, "a.txt"))) },
		"a link in place of a file": func(t *testing.T, p *project) {
			must(t, os.Remove(filepath.Join(p.context, "a.txt")))
			must(t, os.Symlink("b.txt", filepath.Join(p.context, "a.txt")))
		},
		"the ignore file":           func(t *testing.T, p *project) { put(t, filepath.Join(p.context, ".dockerignore"), "sub\n") },
		"an ignore file of its own": func(t *testing.T, p *project) { put(t, p.file+".dockerignore", "a.txt\n") },
		"a file of a named context": func(t *testing.T, p *project) { forged(t, filepath.Join(p.extra, "e")) },
		"an argument":               func(_ *testing.T, p *project) { p.args["V"] = "9" },
		"a label":                   func(_ *testing.T, p *project) { p.labels["a"] = "b" },
		"a secret's id":             func(_ *testing.T, p *project) { p.secretID = "other" },
		"the Dockerfile":            func(_ *testing.T, p *project) { p.dockerText += "# more\n" },
		"the stage":                 func(_ *testing.T, p *project) { p.stageName = "other" },
		"the base's tag moved":      func(_ *testing.T, p *project) { p.baseDigest = "sha256:" + strings.Repeat("9", 64) },
		"the program":               func(_ *testing.T, p *project) { p.program = "2" },
		"the node":                  func(_ *testing.T, p *project) { p.node = "linux/arm64" },
		"the output folder":         func(_ *testing.T, p *project) { p.dest += "2" },
		"an output is removed":      func(t *testing.T, p *project) { must(t, os.Remove(filepath.Join(p.dest, "linux_amd64/app"))) },
		"an output is edited":       func(t *testing.T, p *project) { forged(t, filepath.Join(p.dest, "linux_amd64/app")) },
		"the mode of an output":     func(t *testing.T, p *project) { must(t, os.Chmod(filepath.Join(p.dest, "linux_amd64/d"), 0o700)) },
		"all outputs are removed":   func(t *testing.T, p *project) { must(t, os.RemoveAll(p.dest)) },
		"the output folder is another one now": func(t *testing.T, p *project) {
			must(t, os.Rename(p.dest, p.dest+".old"))
			must(t, os.Mkdir(p.dest+".new", 0o755))
			must(t, os.Symlink(p.dest+".new", p.dest))
		},
		"the output's folder for a platform leads elsewhere": func(t *testing.T, p *project) {
			must(t, os.CopyFS(p.dest+".copy", os.DirFS(p.dest)))
			must(t, os.Rename(filepath.Join(p.dest, "linux_amd64"), p.dest+".moved"))
			must(t, os.Symlink(p.dest+".copy", filepath.Join(p.dest, "linux_amd64")))
		},
		"the tag is gone":             func(_ *testing.T, p *project) { delete(p.tags, tagName) },
		"the tag names another image": func(_ *testing.T, p *project) { p.tags[tagName] = "sha256:00" },
		"the memory is damaged":       func(t *testing.T, p *project) { put(t, p.open().file, "{}") },
		"the memory is gone":          func(t *testing.T, p *project) { must(t, os.RemoveAll(filepath.Join(p.dir, "state"))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := built(t, func(p *project) { p.push = true })
			do(t, p)
			d := p.open().Check(context.Background(), p.plan(), "", p.world())
			// The targets' platforms make one image, so both run.
			if len(d.Unchanged) != 0 || len(d.Outputs) != 0 || len(d.Why) != 2 {
				t.Fatalf("unchanged: %v; %v", d.Unchanged, d.Why)
			}
		})
	}
}

// TestRetargeted: the output directory is a link, and leads to another directory now, in which nothing is.
func TestRetargeted(t *testing.T) {
	p := built(t, func(p *project) {
		must(t, os.Mkdir(p.dest+".1", 0o755))
		must(t, os.Symlink(p.dest+".1", p.dest))
	})
	if d := p.open().Check(context.Background(), p.plan(), "", p.world()); len(d.Unchanged) != 2 {
		t.Fatalf("through a link: %v", d.Why)
	}
	must(t, os.Mkdir(p.dest+".2", 0o755))
	must(t, os.Remove(p.dest))
	must(t, os.Symlink(p.dest+".2", p.dest))
	if d := p.open().Check(context.Background(), p.plan(), "", p.world()); len(d.Unchanged) > 0 {
		t.Errorf("unchanged: %v", d.Unchanged)
	}
}

// TestPlatforms: without a common output each platform counts for itself.
func TestPlatforms(t *testing.T) {
	p := built(t, nil)
	must(t, os.Remove(filepath.Join(p.dest, "linux_arm64/app")))
	if got, want := p.run(t, p.plan()), []plan.Use{{Target: "app", Platform: "linux/amd64"}}; !slices.Equal(got, want) {
		t.Errorf("unchanged: %v", got)
	}
	must(t, p.verify("linux/arm64"))
	if got := p.run(t, p.plan()); len(got) != 2 {
		t.Errorf("unchanged after that: %v", got)
	}
}

// TestAfter: a build that comes after one that has to run, runs too.
func TestAfter(t *testing.T) {
	p := built(t, nil)
	twice := func() *plan.Plan {
		pl := p.plan()
		pl.Targets = append(pl.Targets, plan.Target{Name: "first", Requested: true, Declared: 1})
		for i := range pl.Builds {
			pl.Builds[i].After = []string{"first"}
		}
		first := pl.Builds[0]
		v := *first.Values
		v.NoCache = true // so it has to run
		first.Target, first.Values, first.After = "first", &v, nil
		pl.Builds = append([]plan.Build{first}, pl.Builds...)
		return pl
	}
	if d := p.open().Check(context.Background(), twice(), "", p.world()); len(d.Unchanged) > 0 || len(d.Why) != 3 {
		t.Errorf("unchanged: %v; %v", d.Unchanged, d.Why)
	}
}

// TestShares: targets that write to one place run together, also if their number or order changes.
func TestShares(t *testing.T) {
	p := newProject(t.TempDir())
	sharing := func(names ...string) *plan.Plan {
		pl := p.plan()
		for i := range pl.Builds {
			pl.Builds[i].Shares = names
		}
		return pl
	}
	time.Sleep(testRacy + time.Millisecond)
	p.run(t, sharing("app", "other"))
	time.Sleep(testRacy + time.Millisecond)
	if got := p.run(t, sharing("app", "other")); len(got) != 2 {
		t.Errorf("unchanged: %v, want both", got)
	}
	for _, names := range [][]string{{"other", "app"}, {"app"}, nil} {
		if d := p.open().Check(context.Background(), sharing(names...), "", p.world()); len(d.Unchanged) > 0 {
			t.Errorf("shared by %v: unchanged %v, want none", names, d.Unchanged)
		}
	}
	both := sharing("app", "other")
	v := *both.Builds[0].Values
	v.NoCache = true // so it has to run
	other := both.Builds[0]
	other.Target, other.Values = "other", &v
	both.Targets = append(both.Targets, plan.Target{Name: "other", Requested: true, Declared: 1})
	both.Builds = append(both.Builds, other)
	if d := p.open().Check(context.Background(), both, "", p.world()); len(d.Unchanged) > 0 || len(d.Why) != 3 {
		t.Errorf("unchanged: %v; %v", d.Unchanged, d.Why)
	}
}

// TestRacy: a build that read a file which was changed a moment ago is not remembered; the next one is.
func TestRacy(t *testing.T) {
	p := newProject(t.TempDir())
	for i, want := range []int{0, 0, 2} {
		m := p.open()
		m.racy = 200 * time.Millisecond
		if i > 0 {
			time.Sleep(220 * time.Millisecond)
		}
		d := m.Check(context.Background(), p.plan(), "", p.world())
		if len(d.Unchanged) != want {
			t.Fatalf("run %d: unchanged %v; %v", i+1, d.Unchanged, d.Why)
		}
		if want > 0 {
			break
		}
		rep, err := p.build(d, p.plan())
		must(t, err)
		must(t, d.Remember(rep))
	}
}

// TestNever lists builds of which nobody can know whether they are unchanged.
func TestNever(t *testing.T) {
	for name, change := range map[string]func(p *plan.Plan, v *schema.Build){
		"only the cache":       func(_ *plan.Plan, v *schema.Build) { v.Outputs = nil },
		"cache-only output":    func(_ *plan.Plan, v *schema.Build) { v.Outputs = []schema.Output{{Type: schema.OutputCacheOnly}} },
		"an image in a store":  func(_ *plan.Plan, v *schema.Build) { v.Outputs = []schema.Output{{Type: schema.OutputImage}} },
		"another output":       func(_ *plan.Plan, v *schema.Build) { v.Outputs = []schema.Output{{Type: "made-up", Dest: "/x"}} },
		"no cache":             func(_ *plan.Plan, v *schema.Build) { v.NoCache = true },
		"no cache for a stage": func(_ *plan.Plan, v *schema.Build) { v.NoCacheFilter = []string{"a"} },
		"pull":                 func(_ *plan.Plan, v *schema.Build) { v.Pull = true },
		"a cache to write":     func(_ *plan.Plan, v *schema.Build) { v.CacheTo = []schema.Cache{{Type: "inline"}} },
		"a remote context":     func(_ *plan.Plan, v *schema.Build) { v.Context = "https://example.com/r.git" },
		"a named remote one":   func(_ *plan.Plan, v *schema.Build) { v.Contexts["x"] = "docker-image://alpine" },
		"another frontend":     func(p *plan.Plan, _ *schema.Build) { p.Dockerfiles[0].Frontend = "the file asks for it" },
		"a base without a digest": func(p *plan.Plan, _ *schema.Build) {
			for i := range p.Stages {
				p.Stages[i].Inputs = []plan.Input{{Kind: "image", Ref: "base:1"}}
			}
		},
		"a URL": func(p *plan.Plan, _ *schema.Build) {
			for i := range p.Stages {
				p.Stages[i].Inputs = append(p.Stages[i].Inputs, plan.Input{Kind: "url", Ref: "https://example.com/x"})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t.TempDir())
			time.Sleep(testRacy + time.Millisecond)
			pl := p.plan()
			change(pl, pl.Builds[0].Values) // which both platforms share
			for range 2 {
				d := p.open().Check(context.Background(), pl, "id", p.world())
				if len(d.Unchanged) > 0 {
					t.Fatalf("unchanged: %v", d.Unchanged)
				}
				rep, err := p.build(d, p.plan())
				must(t, err)
				must(t, d.Remember(rep))
				if p.open().Recall(context.Background(), "id", p.world()) != nil {
					t.Error("its plan is recalled")
				}
				time.Sleep(testRacy + time.Millisecond)
			}
		})
	}
}

// TestMovedWhileItRan: the base was another image when the build used it than when it was planned.
func TestMovedWhileItRan(t *testing.T) {
	p := newProject(t.TempDir())
	time.Sleep(testRacy + time.Millisecond)
	pl := p.plan()
	d := p.open().Check(context.Background(), pl, "", p.world())
	planned := p.baseDigest
	p.baseDigest = "sha256:" + strings.Repeat("7", 64)
	rep, err := p.build(d, pl)
	must(t, err)
	must(t, d.Remember(rep))
	p.baseDigest = planned // the tag is moved back
	if d := p.open().Check(context.Background(), p.plan(), "", p.world()); len(d.Unchanged) > 0 {
		t.Errorf("unchanged: %v", d.Unchanged)
	}
}

// TestCameAndWent: a file that is there only while the build reads may be in the result, and leaves no other trace.
func TestCameAndWent(t *testing.T) {
	for _, name := range []string{"src/new", "src/sub/deep/new", "src/.dockerignore", "src/Dockerfile.dockerignore", "extra/new"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t.TempDir())
			time.Sleep(testRacy + time.Millisecond)
			d := p.open().Check(context.Background(), p.plan(), "", p.world())
			rep, err := p.build(d, p.plan(), func() {
				if _, err := os.Lstat(filepath.Join(p.dir, name)); err != nil {
					put(t, filepath.Join(p.dir, name), "*.txt\n")
				} else {
					must(t, os.Remove(filepath.Join(p.dir, name)))
				}
			})
			must(t, err)
			must(t, d.Remember(rep))
			time.Sleep(testRacy + time.Millisecond)
			if d := p.open().Check(context.Background(), p.plan(), "", p.world()); len(d.Unchanged) > 0 {
				t.Errorf("unchanged: %v", d.Unchanged)
			}
		})
	}
}

// TestFailed: a run that failed is not remembered, whatever was remembered before.
func TestFailed(t *testing.T) {
	p := built(t, nil)
	pl := p.plan()
	d := p.open().Check(context.Background(), pl, "", p.world())
	d.Force()
	must(t, d.Remember(&exec.Report{Err: context.Canceled}))
	if d := p.open().Check(context.Background(), pl, "", p.world()); len(d.Unchanged) > 0 {
		t.Errorf("unchanged: %v", d.Unchanged)
	}
}

// TestUntrusted: on a file system whose time stamps mean little nothing is unchanged.
func TestUntrusted(t *testing.T) {
	for _, dir := range []string{"/proc/self", "/sys/kernel"} {
		if _, err := os.Stat(dir); err != nil {
			continue // not on this system
		}
		if got := look(dir, nil, ""); got.err == nil {
			t.Errorf("%s is trusted", dir)
		}
	}
	if got := look(filepath.Join(t.TempDir(), "missing"), nil, ""); got.err == nil {
		t.Error("a folder that is not there is trusted")
	}
}

// TestHash: everything that a value holds counts, and what cannot be told is an error.
func TestHash(t *testing.T) {
	type inner struct {
		m map[string]int
		p *int
	}
	one, two := 1, 2
	values := []any{1, 2, "1", []int{1}, []int(nil), []int{}, inner{}, inner{m: map[string]int{"a": 1}}, inner{m: map[string]int{"b": 1}},
		inner{p: &one}, inner{p: &two}, map[schema.Platform]*int{{OS: "a"}: &one}, map[schema.Platform]*int{{Arch: "a"}: &one}, []string{"ab", "c"}, []string{"a", "bc"}}
	seen := map[string]any{}
	for _, v := range values {
		h, err := Hash(v)
		must(t, err)
		again, err := Hash(v)
		must(t, err)
		if other, ok := seen[h]; ok || h != again {
			t.Errorf("%#v has the hash of %#v, or another one each time", v, other)
		}
		seen[h] = v
	}
	if _, err := Hash(struct{ f func() }{func() {}}); err == nil {
		t.Error("a function can be told")
	}
}
