package fingerprint

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/parallel"
	"github.com/xbuild/xbuild/plan"
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
	plan   *plan.Plan // nil if it was recalled
	id     string     // of what the plan was made from; empty if it must not be recalled
	parts  []*part
	judged map[plan.Use]*judged
	// watched are the directories of the builds that run, as they were when the run began to read; calm those that were the same
	// when it had read them.
	watched map[folder]tree
	calm    map[folder]bool
}

// judged is what was found about a build.
type judged struct {
	*part
	key string // empty if it has to run; why says why
	why string
	// newest is the latest change time of a file it reads.
	newest int64
	// reads are the directories that it reads, by itself or through links.
	reads []folder
}

// Check looks at everything that the requested builds of the plan read and wrote. It changes nothing. id is the [Hash] of all
// that the plan was made from, so that [Memory.Recall] can do without it the next time; empty if that changes from run to run.
//
// Directories are looked at once in the life of a Memory.
func (m *Memory) Check(ctx context.Context, p *plan.Plan, id string, w World) *Decision {
	d := m.decide(ctx, partsOf(p), w)
	d.plan, d.id = p, id
	return d
}

// Recall is Check for a plan that was made from the same before, without the plan. It is nil if that is not known.
func (m *Memory) Recall(ctx context.Context, id string, w World) *Decision {
	if parts := m.data.Plans[id]; len(parts) > 0 {
		return m.decide(ctx, parts, w)
	}
	return nil
}

func (m *Memory) decide(ctx context.Context, parts []*part, w World) *Decision {
	d := &Decision{memory: m, parts: parts, judged: map[plan.Use]*judged{}, Why: map[plan.Use]string{}}
	m.lookAll(parts)
	var candidates []plan.Use
	for _, p := range parts {
		j := d.judge(p, w)
		u := p.use()
		d.judged[u] = j
		if !p.Requested {
			continue
		}
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
	d.keepTogether()
	d.collect()
	return d
}

// judge makes the key of a build. Those that it links to come first in a plan, so they are judged.
func (d *Decision) judge(p *part, w World) *judged {
	j := &judged{part: p, why: p.never}
	if j.why != "" {
		return j
	}
	key := []string{w.Program, w.Endpoint, w.Owner, p.Target, p.Platform, p.Static}
	for _, f := range p.Folders {
		t := d.memory.trees[f.effective()]
		if t.err != nil {
			j.why = fmt.Sprintf("the context %s cannot be trusted to show changes: %v", f.Dir, t.err)
			return j
		}
		j.newest, j.reads = max(j.newest, t.newest), append(j.reads, f)
		key = append(key, f.Dir, string(t.digest[:]))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Links)) {
		l := d.judged[p.Links[name]]
		if l == nil || l.why != "" {
			j.why = "it uses target " + p.Links[name].Target + ", which has to run"
			return j
		}
		key, j.newest, j.reads = append(key, name, l.key), max(j.newest, l.newest), append(j.reads, l.reads...)
	}
	sum := hashOf(key...)
	j.key = hex.EncodeToString(sum[:])
	return j
}

// Force lets every build run.
func (d *Decision) Force() {
	for _, u := range d.Unchanged {
		d.Why[u] = "it is asked to run"
	}
	d.Unchanged, d.Outputs = nil, nil
}

// lookAll looks at every context directory of the builds that was not looked at yet.
func (m *Memory) lookAll(parts []*part) {
	if m.begin.IsZero() {
		m.begin, m.trees = time.Now(), map[folder]tree{}
	}
	var todo []folder
	for _, p := range parts {
		for _, f := range p.Folders {
			f = f.effective()
			if _, ok := m.trees[f]; !ok {
				m.trees[f] = tree{}
				todo = append(todo, f)
			}
		}
	}
	for i, t := range lookAt(todo, m.state) {
		m.trees[todo[i]] = t
	}
}

// lookAt looks at directories side by side.
func lookAt(folders []folder, state string) []tree {
	found := make([]tree, len(folders))
	parallel.EachOf(looksAtOnce, len(folders), func(i int) { found[i] = folders[i].look(state) })
	return found
}

// looksAtOnce bounds how many looks at the disk wait for it at the same time.
const looksAtOnce = 16

// effective is the directory without a Dockerfile that has no ignore file of its own, so that one look serves many.
func (f folder) effective() folder {
	if _, err := os.Lstat(f.Dockerfile + ".dockerignore"); f.Dockerfile != "" && os.IsNotExist(err) {
		f.Dockerfile = ""
	}
	return f
}

// look reads the directory. state is xbuild's own, which is left out.
func (f folder) look(state string) tree {
	if f.Whole {
		return look(f.Dir, nil, state)
	}
	text, err := ignoreText(f.Dir, f.Dockerfile)
	if err != nil {
		return tree{err: err}
	}
	t := look(f.Dir, text, state)
	t.digest = hashOf(string(t.digest[:]), string(text))
	return t
}

// watch is look, with the directory in which an ignore file of the Dockerfile's own may come and go.
func (f folder) watch(state string) tree {
	t := f.effective().look(state)
	if f.Dockerfile == "" || t.err != nil {
		return t
	}
	s, err := stampOf(filepath.Dir(f.Dockerfile) + string(filepath.Separator))
	if t.err = err; err == nil {
		t.folders = hashOf(string(t.folders[:]), string(s.append(nil)))
		t.newestFolder = max(t.newestFolder, s.CTime, s.MTime)
	}
	return t
}

// checkOutputs sorts out the builds whose outputs are not as they were left.
func (d *Decision) checkOutputs(ctx context.Context, candidates []plan.Use, w World) {
	why := make([]string, len(candidates))
	parallel.EachOf(looksAtOnce, len(candidates), func(i int) {
		for _, o := range d.memory.data.Records[recordName(candidates[i])].Outputs {
			if why[i] = o.changed(ctx, w); why[i] != "" {
				return
			}
		}
	})
	for i, u := range candidates {
		if why[i] != "" {
			d.Why[u] = why[i]
		} else {
			d.Unchanged = append(d.Unchanged, u)
		}
	}
}

// keepTogether lets a build run if a target that comes before it or writes to the same place has to, or another platform with
// which it makes an output.
func (d *Decision) keepTogether() {
	rerun := map[string]bool{}
	for u := range d.Why {
		rerun[u.Target] = true
	}
	for again := true; again; { // until no build is added: one may come before another
		again = false
		d.Unchanged = slices.DeleteFunc(d.Unchanged, func(u plan.Use) bool {
			j := d.judged[u]
			switch {
			case rerun[u.Target] && j.Joint:
				d.Why[u] = "another platform of the target has to run"
			case slices.ContainsFunc(j.After, func(t string) bool { return rerun[t] }):
				d.Why[u] = "a target that comes before it has to run"
			case slices.ContainsFunc(j.Shares, func(t string) bool { return rerun[t] }):
				d.Why[u] = "a target that writes to the same place has to run"
			default:
				return false
			}
			rerun[u.Target], again = true, true
			return true
		})
	}
}

// collect sums up the outputs of the unchanged builds, one entry for each output of a target.
func (d *Decision) collect() {
	type output struct{ target, kind, dest string }
	at := map[output]int{}
	for _, u := range d.Unchanged {
		for _, o := range d.memory.data.Records[recordName(u)].Outputs {
			key := output{u.Target, o.Type, o.Dest}
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
