//go:build linux

package buildkit

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// project is a build file in Go: a folder with files, and targets.
type project struct {
	t   *testing.T
	b   *Backend
	dir string
	cfg *schema.Config
}

// newProject writes the files, and the test program as "tool".
func newProject(t *testing.T, files map[string]string) *project {
	t.Helper()
	b := dial(t)
	p := &project{t: t, b: b, dir: t.TempDir()}
	p.cfg = &schema.Config{Dir: p.dir}
	for name, text := range files {
		p.write(name, text)
	}
	p.writeTool("tool")
	return p
}

// writeTool writes the test program.
func (p *project) writeTool(name string) {
	p.t.Helper()
	program, err := os.ReadFile(filepath.Join(bed.tool, "tool"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(name, string(program))
	if err := os.Chmod(filepath.Join(p.dir, name), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// target adds a target on some platforms; change may set more.
func (p *project) target(name string, platforms string, change func(*schema.Build)) *schema.Target {
	t := &schema.Target{Name: name, Base: schema.Build{Context: p.dir, Dockerfile: filepath.Join(p.dir, "Dockerfile"), Strategy: schema.AsWritten}}
	for _, s := range strings.Fields(platforms) {
		t.Platforms = append(t.Platforms, schema.MustPlatform(s))
	}
	if change != nil {
		change(&t.Base)
	}
	p.cfg.Targets = append(p.cfg.Targets, t)
	return t
}

// local is a local output to a folder of the project.
func (p *project) local(dest string) []schema.Output {
	return []schema.Output{{Type: schema.OutputLocal, Dest: filepath.Join(p.dir, dest)}}
}

// plan plans the named targets with what the daemon and the files say.
func (p *project) plan(targets ...string) *plan.Plan {
	p.t.Helper()
	node, err := p.b.Node(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	facts := plan.Facts{Nodes: []plan.NodeFact{node}, Dockerfiles: map[string]plan.DockerfileFact{}}
	for _, t := range p.cfg.Targets {
		key := plan.FileKey(&t.Base)
		text, err := os.ReadFile(t.Base.Dockerfile)
		if t.Base.DockerfileInline != "" {
			text, err = []byte(t.Base.DockerfileInline), nil
		}
		if err != nil {
			p.t.Fatal(err)
		}
		facts.Dockerfiles[key] = plan.DockerfileFact{Text: string(text)}
	}
	pl, diags := plan.Make(p.cfg, plan.Request{Targets: targets}, facts)
	if diags.HasErrors() {
		p.t.Fatal(diags)
	}
	return pl
}

// outcome is what a run did.
type outcome struct {
	res    *exec.Result
	err    error
	events []exec.Event
}

func (p *project) run(pl *plan.Plan) *outcome {
	p.t.Helper()
	return p.runWith(timeout(p.t, 2*time.Minute), pl, exec.Options{}, nil)
}

func (p *project) runWith(ctx context.Context, pl *plan.Plan, opt exec.Options, see func(exec.Event)) *outcome {
	var mu sync.Mutex
	o := &outcome{}
	o.res, o.err = p.b.Run(ctx, pl, opt, func(e exec.Event) {
		mu.Lock()
		o.events = append(o.events, e)
		mu.Unlock()
		if see != nil {
			see(e)
		}
	})
	return o
}

// mustRun runs targets that shall succeed, converted in this process.
func (p *project) mustRun(targets ...string) *outcome {
	p.t.Helper()
	o := p.run(p.plan(targets...))
	o.must(p.t, "client")
	return o
}

func (o *outcome) must(t *testing.T, path string) {
	t.Helper()
	if o.err != nil {
		t.Fatalf("run failed: %v", o.err)
	}
	for _, b := range o.res.Builds {
		if b.Path != path {
			t.Errorf("%s on %s went the way of the %s (%s), want %s", b.Target, b.Platform, b.Path, b.Why, path)
		}
	}
}

// failures are the causes in an error.
func (o *outcome) failures(t *testing.T) []*exec.Failure {
	t.Helper()
	errs := []error{o.err}
	if j, ok := o.err.(interface{ Unwrap() []error }); ok {
		errs = j.Unwrap()
	}
	var out []*exec.Failure
	for _, err := range errs {
		f, ok := err.(*exec.Failure)
		if !ok {
			t.Fatalf("error is %T, not a failure: %v", err, err)
		}
		out = append(out, f)
	}
	return out
}

// only is the one failure of a run.
func (o *outcome) only(t *testing.T) *exec.Failure {
	t.Helper()
	fs := o.failures(t)
	if len(fs) != 1 {
		t.Fatalf("%d failures, want one: %v", len(fs), o.err)
	}
	return fs[0]
}

// done are the completed steps whose text contains s.
func (o *outcome) done(s string) []exec.Event {
	var out []exec.Event
	for _, e := range o.events {
		if e.Type == exec.StepDone && strings.Contains(e.Name, s) {
			out = append(out, e)
		}
	}
	return out
}

// wantCached checks that all steps of a run came from the cache.
func (o *outcome) wantCached(t *testing.T, name string) {
	t.Helper()
	n := 0
	for _, e := range o.events {
		if e.Type != exec.StepDone || len(e.Stages) == 0 {
			continue
		}
		if n++; !e.Cached {
			t.Errorf("%s: %s was run again", name, e.Name)
		}
	}
	if n == 0 {
		t.Errorf("%s: no step was reported", name)
	}
}

// tree lists the files below a folder of the project, with their text unless they are programs.
func (p *project) tree(dir string) map[string]string {
	p.t.Helper()
	out := map[string]string{}
	root := filepath.Join(p.dir, dir)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		text, err := os.ReadFile(path)
		if len(text) > 1000 {
			text = []byte("(program)")
		}
		out[rel] = string(text)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *project) wantTree(dir string, want map[string]string) {
	p.t.Helper()
	if got := p.tree(dir); !maps.Equal(got, want) {
		p.t.Errorf("%s holds %v, want %v", dir, got, want)
	}
	// Nothing may be left beside it.
	left, _ := filepath.Glob(filepath.Join(p.dir, ".xbuild*"))
	if len(left) > 0 {
		p.t.Errorf("left behind: %v", left)
	}
}

// stages names the stages of some ids.
func names(pl *plan.Plan, ids []string) []string {
	var out []string
	for _, id := range ids {
		if s := pl.Stage(id); s != nil {
			out = append(out, s.Stage)
		}
	}
	slices.Sort(out)
	return out
}
