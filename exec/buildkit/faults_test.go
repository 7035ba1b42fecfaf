//go:build linux

package buildkit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/buildkit/bktest"
	"github.com/xbuild/xbuild/internal/volume"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// faulty is a project whose runs go through a proxy that fails where it is told to. It has everything that a run can
// consist of: a link, two platforms, a step, folders, an archive, an image with a tag.
type faulty struct {
	*project
	proxy *bktest.Proxy
	repo  string
	plan  *plan.Plan
	run   int   // the text of the context names it
	lost  int32 // how many daemons were lost when it was looked last

	policy *SourcePolicy
}

func newFaulty(t *testing.T, name string) *faulty {
	t.Helper()
	p := newProject(t, map[string]string{
		"base.Dockerfile": "FROM scratch\nCOPY tool /tool\nRUN [\"/tool\", \"write\", \"/made\", \"made\"]\n",
		"Dockerfile":      "FROM base AS step\nFROM scratch\nCOPY --from=step /made /made\nCOPY text /text\n",
	})
	f := &faulty{project: p, repo: "faults-" + name, lost: bed.lost.Load()}
	p.target("base", "linux/amd64", func(b *schema.Build) { b.Dockerfile = filepath.Join(p.dir, "base.Dockerfile") })
	link := func(b *schema.Build) { b.Contexts = map[string]string{"base": "target:base"} }
	p.target("files", twoPlatforms, func(b *schema.Build) { link(b); b.Outputs = p.local("out") })
	p.target("archive", "linux/amd64", func(b *schema.Build) {
		link(b)
		b.Outputs = []schema.Output{{Type: schema.OutputTar, Dest: filepath.Join(p.dir, "archive.tar")}}
	})
	p.target("image", twoPlatforms, func(b *schema.Build) { link(b); push(b, bed.registry+"/"+f.repo+":1") })
	f.next()
	f.plan = p.plan("files", "archive", "image")
	var err error
	if f.proxy, err = bktest.Start(filepath.Join(shortTemp(t), "p.sock"), bed.addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxy.Close)
	f.succeed(t)
	return f
}

// shortTemp is a temporary folder whose path is short enough for a socket.
func shortTemp(t *testing.T) string {
	dir, err := os.MkdirTemp("/tmp", "xb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// attempt runs the plan through the proxy. The report is nil if the daemon could not be reached.
func (f *faulty) attempt(ctx context.Context, t *testing.T, p patience) (*exec.Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	b, err := dialPatiently(ctx, f.proxy.Addr(), DialOptions{Name: "test", DockerConfig: t.TempDir(), StateDir: t.TempDir(), SourcePolicy: f.policy}, p)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	r := exec.Start(ctx, f.plan, b, exec.Options{})
	for range r.Events() {
	}
	rep := r.Wait()
	if ctx.Err() != nil {
		t.Error("the run did not end by itself")
	}
	return rep, rep.Err
}

// succeed runs without a fault, and checks that everything is new.
func (f *faulty) succeed(t *testing.T) {
	t.Helper()
	f.proxy.Inject(nil)
	_, err := f.attempt(t.Context(), t, usualPatience.times(3))
	for err != nil && f.lostDaemon() {
		_, err = f.attempt(t.Context(), t, usualPatience.times(3))
	}
	if err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	for what, n := range f.state(t) {
		if n != f.run {
			t.Fatalf("%s is of run %d after the successful run %d", what, n, f.run)
		}
	}
}

// lostDaemon tells whether a run failed since the daemon was lost, see [solverDefect]; then a new one can be reached.
func (f *faulty) lostDaemon() bool {
	for end := time.Now().Add(2 * time.Second); bed.lost.Load() == f.lost; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	f.lost = bed.lost.Load()
	time.Sleep(3 * time.Second) // until the proxy dials again
	return true
}

// next changes the context.
func (f *faulty) next() {
	f.run++
	f.write("text", fmt.Sprintf("run %d\n", f.run))
}

// images are the numbers of the runs that the tagged image comes from, by platform. All of it must be in the registry.
func (f *faulty) images(t *testing.T) []int {
	t.Helper()
	var index ocispecs.Index
	f.fetch(t, "manifests/1", &index)
	var out []int
	for _, m := range index.Manifests {
		var image ocispecs.Manifest
		f.fetch(t, "manifests/"+m.Digest.String(), &image)
		n := -1
		for _, l := range image.Layers {
			z, err := gzip.NewReader(bytes.NewReader(f.fetch(t, "blobs/"+l.Digest.String(), nil)))
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range untar(t, z) {
				if name == "text" {
					fmt.Sscanf(text, "run %d\n", &n)
				}
			}
		}
		out = append(out, n)
	}
	if len(out) != 2 {
		t.Errorf("the tag names an index of %d platforms", len(out))
	}
	return out
}

// fetch gets something from the registry, and decodes it into v if that is not nil.
func (f *faulty) fetch(t *testing.T, what string, v any) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+bed.registry+"/v2/"+f.repo+"/"+what, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", ocispecs.MediaTypeImageIndex+", "+ocispecs.MediaTypeImageManifest+
		", application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && v != nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s of %s: %s, %v", what, f.repo, resp.Status, err)
	}
	return body
}

// untar lists the files in an archive.
func untar(t *testing.T, from io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(text)
	}
}

// state is the number of the run that each result in a file comes from.
func (f *faulty) state(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	number := func(name, text string) {
		var n int
		if _, err := fmt.Sscanf(text, "run %d\n", &n); err != nil {
			t.Errorf("%s holds %q", name, text)
		}
		out[name] = n
	}
	files := f.tree("out")
	for name, text := range files {
		if filepath.Base(name) == "text" {
			number(name, text)
		} else if text != "made\n" {
			t.Errorf("%s holds %q", name, text)
		}
	}
	if len(files) != 4 {
		t.Errorf("the folder holds %v", files)
	}
	archive, err := os.Open(filepath.Join(f.dir, "archive.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for name, text := range untar(t, archive) {
		if name == "text" {
			number("archive", text)
		}
	}
	if len(out) != 3 { // two platforms and the archive
		t.Errorf("results are missing: %v", out)
	}
	return out
}

// hasty is the patience with a daemon that may be frozen.
var hasty = patience{dial: time.Second, drain: 300 * time.Millisecond, probe: 200 * time.Millisecond}

func (p patience) times(n time.Duration) patience {
	return patience{dial: n * p.dial, drain: n * p.drain, probe: n * p.probe}
}

// try runs with a fault and looks at what is left of it; then a run without one must put everything right.
func (f *faulty) try(t *testing.T, fault bktest.Fault) (hit bool) {
	t.Helper()
	f.next()
	id := fmt.Sprintf("%s-%p", t.Name(), f)
	var rep *exec.Report
	var err error
	var took time.Duration
	// On a busy machine a sound daemon may be slower than the patience with it; then the run ends before the fault comes.
	for n := time.Duration(1); n == 1 || n < 10 && !hit && err != nil; n *= 3 {
		f.proxy.Inject(&fault)
		began := time.Now()
		pprof.Do(t.Context(), pprof.Labels("run", id), func(ctx context.Context) { rep, err = f.attempt(ctx, t, hasty.times(n)) })
		took, hit = time.Since(began), f.proxy.Hit()
		if err != nil && !hit && f.lostDaemon() {
			n = 1
		}
	}
	what := "a message of a session"
	if calls := f.proxy.Calls(); hit && !fault.InSession {
		what = calls[fault.Call]
	}
	t.Logf("%s: %s after %s: %v", fault.Mode, what, took.Round(time.Millisecond), err)
	nothingGoesOn(t, id)
	f.proxy.Thaw()
	f.checkReport(t, rep, err)
	if left, _ := filepath.Glob(filepath.Join(f.dir, ".*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	files := slices.Compact(slices.Sorted(maps.Values(f.state(t))))
	if len(files) != 1 {
		t.Fatalf("files of several runs: %v", f.state(t))
	}
	image := slices.Compact(f.images(t))
	switch old, now := f.run-1, f.run; {
	case len(image) != 1 || image[0] != old && image[0] != now || files[0] != old && files[0] != now:
		t.Errorf("in run %d the files are of run %v and the images of %v", now, files, image)
	case image[0] == now && files[0] == old:
		t.Errorf("the tag moved before the files")
	case err == nil && (image[0] == old || files[0] == old):
		t.Errorf("run %d succeeded, but the files are of run %v and the images of %v", now, files, image)
	}
	f.succeed(t)
	return hit
}

// checkReport: one outcome a stage, and one cause if the run failed.
func (f *faulty) checkReport(t *testing.T, rep *exec.Report, err error) {
	t.Helper()
	var unreachable *Unreachable
	switch {
	case rep == nil && errors.As(err, &unreachable):
		return
	case rep == nil:
		t.Errorf("dialling fails with a %T: %v", err, err)
		return
	}
	seen := map[string]bool{}
	ended := false
	for _, o := range rep.Outcomes {
		if seen[o.Stage] || f.plan.Stage(o.Stage) == nil || o.State == "" {
			t.Errorf("outcome %+v", o)
		}
		seen[o.Stage] = true
		ended = ended || o.State == exec.Failed || o.State == exec.Canceled
	}
	if len(seen) != len(f.plan.Stages) {
		t.Errorf("%d outcomes for %d stages", len(seen), len(f.plan.Stages))
	}
	if err == nil {
		if len(rep.Failures) != 0 || ended {
			t.Errorf("a success with failures %v and outcomes %v", rep.Failures, rep.Outcomes)
		}
		return
	}
	if len(rep.Failures) != 1 || rep.Interrupted {
		t.Errorf("%d causes, interrupted: %v: %v", len(rep.Failures), rep.Interrupted, err)
		return
	}
	if c := rep.Failures[0]; c.Error() == "" || c.Kind == "" || strings.Contains(c.Error(), "context canceled") {
		t.Errorf("cause %+v: %v", c, c)
	}
}

// nothingGoesOn waits until no goroutine is left of those that have the label.
func nothingGoesOn(t *testing.T, id string) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(8 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var text strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
			t.Fatal(err)
		}
		left = nil
		for _, g := range strings.Split(text.String(), "\n\n") {
			if strings.Contains(g, fmt.Sprintf("%q:%q", "run", id)) {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("goroutines are left:\n%s", strings.Join(left, "\n\n"))
}

// TestFaults lets calls of a run fail in every way, and messages in its sessions: in a soak every call, else one of twelve, another
// one for each way.
func TestFaults(t *testing.T) {
	dial(t) // starts the bed
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var all sync.WaitGroup // a client waits seconds for what may still come, so they wait together, also on one processor
	each := func(name string, fault bktest.Fault, next func(k int) int, least int) {
		all.Go(func() {
			t.Run(name, func(t *testing.T) {
				f := newFaulty(t, name)
				for hit := true; hit; fault.Call = next(fault.Call) {
					hit = false
					t.Run(fmt.Sprint(fault.Call), func(t *testing.T) { hit = f.try(t, fault) })
				}
				if fault.Call < least {
					t.Errorf("only %d places were tried", fault.Call)
				}
			})
		})
	}
	parts, step, grow := 1, 12, 1
	if volume.Soak() {
		parts, step, grow = 3, 3, 3
	}
	for i, mode := range bktest.Modes {
		for part := range parts {
			if mode == bktest.Slow && part > 0 {
				break // a third of the calls is enough for what is no error
			}
			first := part
			if parts == 1 {
				first = i * step / len(bktest.Modes)
			}
			each(fmt.Sprint(mode, "-", part), bktest.Fault{Mode: mode, Call: first}, func(k int) int { return k + step }, 30)
		}
		// What comes through a session is hundreds of messages, most of them alike. None of them can get lost alone.
		if mode != bktest.Lost {
			each("session-"+string(mode), bktest.Fault{Mode: mode, InSession: true}, func(k int) int { return k + 5 + k/grow }, 25)
		}
	}
	all.Wait()
	if left, _ := filepath.Glob(filepath.Join(temp, "xbuild*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestFrozen: a daemon that freezes is noticed whatever it is asked. [TestFaults] has the calls of a run.
func TestFrozen(t *testing.T) {
	if most := (1+probeMisses)*usualPatience.probe + usualPatience.drain; most >= 15*time.Second || usualPatience.dial >= 15*time.Second {
		t.Errorf("a frozen daemon is noticed after %s only, or after %s if it is frozen at once", most, usualPatience.dial)
	}
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY tool /\n"})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Call = "outline" })
	pl := p.plan("x")
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	proxy, err := bktest.Start(filepath.Join(shortTemp(t), "p.sock"), bed.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	for what, ask := range map[string]func(context.Context, *Backend) error{
		"node": func(ctx context.Context, b *Backend) error { _, err := b.Node(ctx); return err },
		"images": func(ctx context.Context, b *Backend) error {
			_, err := b.Images(ctx, []string{bed.registry + "/none"})
			return err
		},
		"call":  func(ctx context.Context, b *Backend) error { _, err := b.Call(ctx, pl, exec.Options{}); return err },
		"usage": func(ctx context.Context, b *Backend) error { _, err := b.DiskUsage(ctx); return err },
		"prune": func(ctx context.Context, b *Backend) error {
			_, err := b.Prune(ctx, PruneOptions{Keep: 1 << 40})
			return err
		},
		"definition": func(ctx context.Context, b *Backend) error {
			_, err := b.ReadDefinition(ctx, DefinitionRequest{URL: server.URL + "/x.hcl"})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			for k := 0; ; k++ {
				proxy.Thaw()
				proxy.Inject(nil)
				b, err := dialPatiently(t.Context(), proxy.Addr(), DialOptions{DockerConfig: t.TempDir(), StateDir: t.TempDir()}, usualPatience.times(3))
				if err != nil {
					t.Fatal(err)
				}
				b.dialed.Store(false) // or Node would know
				b.patience = hasty
				proxy.Inject(&bktest.Fault{Mode: bktest.Freeze, Call: k})
				ctx := timeout(t, time.Minute)
				err = ask(ctx, b)
				b.Close()
				if !proxy.Hit() {
					if k == 0 {
						t.Error("it asks for nothing")
					}
					return
				}
				var unreachable *Unreachable
				var f *exec.Failure
				gone := errors.As(err, &unreachable) || errors.As(err, &f) && f.Kind == exec.DaemonLost
				if what == "usage" || what == "prune" {
					gone = err != nil && strings.Contains(err.Error(), "does not answer any more")
				}
				if !gone {
					t.Errorf("at %s: %T: %v", proxy.Calls()[k], err, err)
				}
				if ctx.Err() != nil {
					t.Errorf("at %s: not noticed within a minute", proxy.Calls()[k])
				}
			}
		})
	}
}
