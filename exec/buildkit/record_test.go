//go:build linux

package buildkit

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/schema"
)

// The provenance of every target, a linked one too, comes from the daemon, for each of its platforms, with steps and times only if they are
// asked for.
func TestRecords(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY a /$TARGETARCH\n", "a": "A\n", "link.Dockerfile": "FROM base\nCOPY a /b\n"})
	p.target("base", "linux/amd64", nil)
	p.target("linked", "linux/amd64", func(b *schema.Build) {
		b.Dockerfile, b.Contexts = filepath.Join(p.dir, "link.Dockerfile"), map[string]string{"base": "target:base"}
	})
	p.target("two", twoPlatforms, func(b *schema.Build) { b.Outputs = p.local("out") })
	p.target("nothing", "linux/amd64", nil)
	for _, how := range []string{"", exec.ProvenanceMin, exec.ProvenanceMax} {
		o := p.runWith(timeout(t, time.Minute), p.plan("two", "nothing", "linked"), exec.Options{Provenance: how}, nil)
		o.must(t, "client")
		got := map[string]string{}
		for _, r := range o.res.Records {
			if r.Ref != "" {
				t.Errorf("%s has the reference %q, though docker buildx has no builder for this daemon", r.Target, r.Ref)
			}
			for platform, text := range r.Provenance {
				got[r.Target+" "+platform] = string(text)
			}
		}
		if how == "" {
			if len(got) > 0 {
				t.Errorf("not asked for: %v", got)
			}
			continue
		}
		if len(got) != 5 {
			t.Errorf("%s: records of %v", how, got)
		}
		for _, key := range []string{"two linux/amd64", "two linux/arm64", "nothing ", "linked ", "base "} {
			text := got[key]
			if !strings.Contains(text, `"buildType":"https://mobyproject.org/buildkit@v1"`) || strings.Contains(text, "llbDefinition") != (how == exec.ProvenanceMax) {
				t.Errorf("%s: provenance of %q is %s", how, key, text)
			}
		}
	}
}

// The daemon keeps the log of what it has a record of, and secrets are in no file: a target that has one, or links to one that has,
// gets no record.
func TestNoRecordOfSecrets(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "A\n", "link.Dockerfile": "FROM base\nCOPY a /b\n"})
	t.Setenv("THE_TOKEN", "a-secret-value")
	p.target("with", "linux/amd64", func(b *schema.Build) { b.Secrets = []schema.Secret{{ID: "token", Env: "THE_TOKEN"}} })
	p.target("linked", "linux/amd64", func(b *schema.Build) {
		b.Dockerfile, b.Contexts = filepath.Join(p.dir, "link.Dockerfile"), map[string]string{"base": "target:with"}
	})
	p.target("without", "linux/amd64", nil)
	o := p.runWith(timeout(t, time.Minute), p.plan("with", "linked", "without"), exec.Options{Provenance: exec.ProvenanceMin}, nil)
	o.must(t, "client")
	if len(o.res.Records) != 1 || o.res.Records[0].Target != "without" {
		t.Errorf("records %v", o.res.Records)
	}
	said := 0
	for _, e := range o.events {
		if e.Type == exec.Message && strings.HasPrefix(e.Name, "the provenance of target ") && strings.Contains(e.Name, "secret") {
			said++
		}
	}
	if said != 2 {
		t.Errorf("%d remarks, want one for each target without a record", said)
	}
}

// What is passed on of BuildKit's stream is what docker buildx would print: every step begins and ends, with its log, and the
// results are exported; and nothing comes after the run.
func TestRawStream(t *testing.T) {
	p := newProject(t, map[string]string{"Dockerfile": "FROM scratch AS run\nCOPY tool said /\nRUN [\"/tool\", \"show\", \"/said\"]\nFROM scratch\nCOPY --from=run /tool /\n", "said": "it runs"})
	p.target("x", "linux/amd64", func(b *schema.Build) { b.Outputs = p.local("out") })
	var mu sync.Mutex
	over := false
	names, logs, open := map[string]bool{}, "", map[string]bool{}
	opt := exec.Options{NoCache: true, Status: func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		var m client.SolveStatus
		if err := json.Unmarshal(line, &m); err != nil || strings.Contains(string(line), "\n") {
			t.Errorf("%v: %q", err, line)
		}
		if over {
			t.Errorf("after the run: %s", line)
		}
		for _, v := range m.Vertexes {
			names[v.Name] = true
			open[string(v.Digest)] = v.Completed == nil
		}
		for _, l := range m.Logs {
			logs += string(l.Data)
		}
	}}
	o := p.runWith(timeout(t, time.Minute), p.plan("x"), opt, nil)
	o.must(t, "client")
	mu.Lock()
	defer mu.Unlock()
	over = true
	for _, want := range []string{"[run 1/2] COPY tool said /", `[run 2/2] RUN ["/tool", "show", "/said"]`, "exporting to client directory"} {
		if !names[want] {
			t.Errorf("no step %q among %v", want, names)
		}
	}
	for d, still := range open {
		if still {
			t.Errorf("step %s never ended", d)
		}
	}
	if !strings.Contains(logs, "it runs") {
		t.Errorf("the logs are %q", logs)
	}
}
