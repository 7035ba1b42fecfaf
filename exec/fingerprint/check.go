package fingerprint

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// World is what a build depends on beside its plan.
type World struct {
	// Program identifies the program, with its version; another one may build otherwise.
	Program string
	// Endpoint identifies the BuildKit that would build.
	Endpoint string
	// Owner identifies who gets the files.
	Owner string
	// Tag asks a registry for the digest of a tag. Nil means that pushed images are never unchanged.
	Tag func(ctx context.Context, ref string) (digest string, err error)
}

// Decision is what is known of the builds of a plan.
type Decision struct {
	// Unchanged are the builds that need not run, in plan order, and Outputs what they wrote when they ran.
	Unchanged []plan.Use
	Outputs   []exec.OutputResult
	// Why says of every other requested build why it has to run.
	Why map[plan.Use]string

	memory *Memory
	plan   *plan.Plan
	begin  time.Time
	builds map[plan.Use]*judged
	order  []plan.Use
}

// judged is one build and what was found about it.
type judged struct {
	build *plan.Build
	key   string // empty if the build can never be unchanged
	why   string
	// newest is the latest change time of a file it reads.
	newest int64
}

// Check looks at everything that the requested builds of the plan read and wrote. It changes nothing.
func (m *Memory) Check(ctx context.Context, p *plan.Plan, w World) *Decision {
	d := &Decision{memory: m, plan: p, begin: time.Now(), builds: map[plan.Use]*judged{}, Why: map[plan.Use]string{}}
	trees := lookAll(p)
	k := &keys{plan: p, world: w, trees: trees, done: map[plan.Use]*judged{}}
	var candidates []plan.Use
	for i := range p.Builds {
		b := &p.Builds[i]
		j := k.of(b)
		if !b.Requested {
			continue
		}
		u := plan.Use{Target: b.Target, Platform: b.Platform.String()}
		d.builds[u], d.order = j, append(d.order, u)
		r := m.data.Records[recordName(u)]
		switch {
		case j.why != "":
			d.Why[u] = j.why
		case r == nil:
			d.Why[u] = "it was not built before"
		case r.Key != j.key:
			d.Why[u] = "something that it reads was changed"
		default:
			candidates = append(candidates, u)
		}
	}
	d.checkOutputs(ctx, candidates, w)
	d.keepTogether(p)
	d.collect()
	return d
}

// Force lets every build run.
func (d *Decision) Force() {
	for _, u := range d.Unchanged {
		d.Why[u] = "it is asked to run"
	}
	d.Unchanged, d.Outputs = nil, nil
}

// lookAll looks at every context folder of the plan once.
func lookAll(p *plan.Plan) map[folder]tree {
	var mu sync.Mutex
	var group sync.WaitGroup
	trees := map[folder]tree{}
	for i := range p.Builds {
		for _, f := range foldersOf(&p.Builds[i]) {
			mu.Lock()
			_, ok := trees[f]
			trees[f] = tree{}
			mu.Unlock()
			if ok {
				continue
			}
			group.Go(func() {
				t := f.look()
				mu.Lock()
				defer mu.Unlock()
				trees[f] = t
			})
		}
	}
	group.Wait()
	return trees
}

// folder is a context that is a folder, with the Dockerfile whose own ignore file may hold for it.
type folder struct {
	dir        string
	dockerfile string
	whole      bool // without an ignore file
}

func (f folder) look() tree {
	if f.whole {
		return look(f.dir, nil)
	}
	text, err := ignoreText(f.dir, f.dockerfile)
	if err != nil {
		return tree{err: err}
	}
	t := look(f.dir, text)
	t.digest = hashOf(string(t.digest[:]), string(text))
	return t
}

// foldersOf are the local contexts of a build.
func foldersOf(b *plan.Build) []folder {
	var out []folder
	if isFolder(b.Values.Context) {
		f := folder{dir: b.Values.Context}
		if b.Values.DockerfileInline == "" && hasOwnIgnore(b.Values.Dockerfile) {
			f.dockerfile = b.Values.Dockerfile
		}
		out = append(out, f)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Values.Contexts)) {
		if dir := b.Values.Contexts[name]; isFolder(dir) {
			out = append(out, folder{dir: dir, whole: true})
		}
	}
	return out
}

func hasOwnIgnore(dockerfile string) bool {
	_, err := os.Lstat(dockerfile + ".dockerignore")
	return err == nil || !os.IsNotExist(err)
}

// checkOutputs sorts out the builds whose outputs are not as they were left.
func (d *Decision) checkOutputs(ctx context.Context, candidates []plan.Use, w World) {
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, u := range candidates {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			why := ""
			for _, o := range d.memory.data.Records[recordName(u)].Outputs {
				if why = o.changed(ctx, w); why != "" {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if why != "" {
				d.Why[u] = why
			} else {
				d.Unchanged = append(d.Unchanged, u)
			}
		})
	}
	group.Wait()
}

// keepTogether lets all platforms of a target run if one has to and they make one output together.
func (d *Decision) keepTogether(p *plan.Plan) {
	rerun := map[string]bool{}
	for u := range d.Why {
		rerun[u.Target] = true
	}
	d.Unchanged = slices.DeleteFunc(d.Unchanged, func(u plan.Use) bool {
		joint := slices.ContainsFunc(d.builds[u].build.Values.Outputs, func(o schema.Output) bool { return o.Type != schema.OutputLocal })
		if rerun[u.Target] && joint {
			d.Why[u] = "another platform of the target has to run"
			return true
		}
		return false
	})
	rank := map[plan.Use]int{}
	for i, u := range d.order {
		rank[u] = i
	}
	slices.SortFunc(d.Unchanged, func(a, b plan.Use) int { return rank[a] - rank[b] })
}

// collect sums up the outputs of the unchanged builds, one entry for each output of a target.
func (d *Decision) collect() {
	at := map[string]int{}
	for _, u := range d.Unchanged {
		for _, o := range d.memory.data.Records[recordName(u)].Outputs {
			key := fmt.Sprint(u.Target, "\x00", o.Type, "\x00", o.Dest)
			i, ok := at[key]
			if !ok {
				i = len(d.Outputs)
				at[key] = i
				d.Outputs = append(d.Outputs, exec.OutputResult{Target: u.Target, Type: o.Type, Dest: o.Dest, Digest: o.Digest, Unchanged: true})
			}
			files, bytes := o.size()
			d.Outputs[i].Files += files
			d.Outputs[i].Bytes += bytes
		}
	}
}
