package plan_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aymanbagabas/go-udiff"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// A golden case is a txtar file. Inputs: `targets`, one target a line ("NAME key=value ..."); `strategies`, one a line; `bake`, if they are a Bake file's; `node`, what each
// node lists; `files`, what is in the contexts, "c=PLACE", "probe=PLACE WHAT" or "unknown"; `images`, "REF PLATFORM,... [single] [ENV=...]"; and Dockerfiles. Outputs, rewritten with XBUILD_UPDATE=1: `plan`, `diff`, `diagnostics`.
type goldenCase struct {
	cfg   *schema.Config
	facts plan.Facts
}

func readCase(t *testing.T, ar *txtar.Archive) goldenCase {
	t.Helper()
	c := goldenCase{cfg: &schema.Config{Dir: "/p", Files: []string{"xbuild.hcl"}, Sources: diag.Sources{}},
		facts: plan.Facts{Dockerfiles: map[string]plan.DockerfileFact{}, Images: map[string]plan.Image{}, Files: map[plan.Context]plan.FilesFact{}, Local: schema.MustPlatform("linux/amd64")}}
	files := plan.FilesFact{Scripts: true} // without anything that counts
	for _, f := range ar.Files {
		lines := strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		switch f.Name {
		case "bake":
			c.cfg.Requested = []string{}
		case "targets":
			for i, l := range lines {
				c.cfg.Targets = append(c.cfg.Targets, parseTarget(t, l, i+1))
			}
		case "node":
			for i, l := range lines {
				n := plan.NodeFact{Name: []string{"hub", "second", "third"}[i]}
				for _, s := range strings.Fields(l) {
					n.Platforms = append(n.Platforms, schema.MustPlatform(s))
				}
				c.facts.Nodes = append(c.facts.Nodes, n)
			}
		case "strategies":
			for i, l := range lines {
				c.cfg.Strategies = append(c.cfg.Strategies, parseStrategy(t, l, i+1))
			}
		case "images":
			for _, l := range lines {
				w := strings.Fields(l)
				img := plan.Image{Ref: w[0], Digest: "sha256:0", Env: []string{"PATH=/bin"}}
				if strings.HasPrefix(w[1], "error=") {
					img = plan.Image{Ref: w[0], Err: strings.TrimPrefix(l[len(w[0])+1:], "error=")}
				} else {
					img.Platforms = strings.Split(w[1], ",")
				}
				for _, e := range w[2:] {
					if e == "single" {
						img.Single = true
					} else if trigger, ok := strings.CutPrefix(e, "onbuild="); ok {
						img.OnBuild = append(img.OnBuild, strings.ReplaceAll(trigger, "_", " "))
						continue
					}
					img.Env = append(img.Env, e)
				}
				c.facts.Images[w[0]] = img
			}
		case "files":
			files = plan.FilesFact{Scripts: true}
			for _, l := range lines {
				k, v, _ := strings.Cut(l, "=")
				switch k {
				case "c":
					files.UsesC = v
				case "probe":
					files.Probe, files.ProbeWhat, _ = strings.Cut(v, " ")
				case "unknown":
					files.Scripts = false
				}
			}
		case "plan", "diff", "diagnostics", "edit", "state", "request":
		default:
			c.facts.Dockerfiles["/p/"+f.Name] = plan.DockerfileFact{Text: string(f.Data)}
		}
	}
	for _, t := range c.cfg.Targets {
		c.facts.Files[plan.ContextOf(&t.Base)] = files
	}
	return c
}

// parseTarget reads "NAME platforms=a,b strategy=auto stage=x dockerfile=F arg.NAME=V context.NAME=V output=DIR tag=T".
func parseTarget(t *testing.T, line string, n int) *schema.Target {
	t.Helper()
	w := strings.Fields(line)
	tg := &schema.Target{Name: w[0], Range: *diag.LineRange("xbuild.hcl", n)}
	optional := ""
	b := schema.Build{Context: "/p", Dockerfile: "/p/Dockerfile", Strategy: schema.Auto, Args: map[string]string{}, Contexts: map[string]string{}}
	for _, kv := range w[1:] {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "platforms":
			for _, s := range strings.Split(v, ",") {
				tg.Platforms = append(tg.Platforms, schema.MustPlatform(s))
			}
		case "after":
			tg.DependsOn = strings.Split(v, ",")
		case "cache": // TYPE:PLACE
			typ, place, _ := strings.Cut(v, ":")
			b.CacheTo = append(b.CacheTo, schema.Cache{Type: typ, Attrs: map[string]string{"ref": place, "dest": place, "scope": place, "name": place}})
		case "cache-from":
			typ, place, _ := strings.Cut(v, ":")
			b.CacheFrom = append(b.CacheFrom, schema.Cache{Type: typ, Attrs: map[string]string{"ref": place, "src": place, "scope": place}})
		case "secret": // ID:FILE
			id, src, _ := strings.Cut(v, ":")
			b.Secrets = append(b.Secrets, schema.Secret{ID: id, Src: src})
		case "strategy":
			b.Strategy = schema.Strategy(v)
		case "optional": // platforms
			optional = v
		case "stage":
			b.Stage = v
		case "sensitive": // arguments
			b.SensitiveArgs = strings.Split(v, ",")
		case "attest": // TYPE:MODE
			typ, mode, _ := strings.Cut(v, ":")
			b.Attest = append(b.Attest, schema.Attest{Type: typ, Attrs: map[string]string{"mode": mode}})
		case "nocache":
			b.NoCacheFilter = append(b.NoCacheFilter, v)
		case "tag":
			b.Tags = append(b.Tags, v)
		case "dockerfile":
			b.Dockerfile = "/p/" + v
		case "output":
			b.Outputs = append(b.Outputs, schema.Output{Type: schema.OutputLocal, Dest: v})
		case "store":
			b.Outputs = append(b.Outputs, schema.Output{Type: schema.OutputImage})
		case "image":
			b.Outputs = append(b.Outputs, schema.Output{Type: schema.OutputImage, Push: true})
			b.Tags = append(b.Tags, v)
		default:
			switch name, ok := strings.CutPrefix(k, "arg."); {
			case ok:
				b.Args[name] = v
			case strings.HasPrefix(k, "context."):
				b.Contexts[strings.TrimPrefix(k, "context.")] = v
			default:
				t.Fatalf("unknown key %q in %q", k, line)
			}
		}
	}
	tg.Base = b
	markOptional(tg, optional)
	return tg
}

// markOptional makes some platforms of a target optional.
func markOptional(tg *schema.Target, optional string) {
	for _, s := range strings.Split(optional, ",") {
		if s == "" {
			continue
		}
		if tg.PerPlatform == nil {
			tg.PerPlatform = map[schema.Platform]*schema.Build{}
			for _, p := range tg.Platforms {
				v := tg.Base
				tg.PerPlatform[p] = &v
			}
		}
		tg.PerPlatform[schema.MustPlatform(s)].Optional = true
	}
}

// parseStrategy reads "NAME mode=cross native=a,b fork=c fallback=emulate env.CC=TRIPLE-gcc run=apk_add_x". TRIPLE and ARCH
// stand for the platform's, _ for a blank.
func parseStrategy(t *testing.T, line string, n int) *schema.StrategyBlock {
	t.Helper()
	w := strings.Fields(line)
	at := *diag.LineRange("xbuild.hcl", 100+n)
	s := &schema.StrategyBlock{Name: w[0], Mode: schema.Auto, Range: at, PerPlatform: map[schema.Platform]*schema.StrategyValues{}}
	give := func(set func(v *schema.StrategyValues, expand func(string) string)) {
		for _, p := range []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "darwin/arm64", "windows/amd64"} {
			q := schema.MustPlatform(p)
			if s.PerPlatform[q] == nil {
				s.PerPlatform[q] = &schema.StrategyValues{Env: map[string]string{}}
			}
			set(s.PerPlatform[q], strings.NewReplacer("TRIPLE", q.Triple(), "ARCH", q.Arch, "_", " ").Replace)
		}
	}
	for _, kv := range w[1:] {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "mode":
			s.Mode = schema.Strategy(v)
		case "native":
			s.Native = strings.Split(v, ",")
		case "fork":
			s.Fork = strings.Split(v, ",")
		case "fallback":
			for _, m := range strings.Split(v, ",") {
				s.Fallback = append(s.Fallback, schema.Strategy(m))
			}
		case "run":
			give(func(x *schema.StrategyValues, expand func(string) string) {
				x.RunBefore = append(x.RunBefore, expand(v))
			})
		default:
			name, ok := strings.CutPrefix(k, "env.")
			if !ok {
				t.Fatalf("unknown key %q in %q", k, line)
			}
			give(func(x *schema.StrategyValues, expand func(string) string) { x.Env[name] = expand(v) })
		}
	}
	return s
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d golden files (%v), want at least 10", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := readCase(t, ar)
	p, diags := plan.Make(c.cfg, plan.Request{Targets: targetNames(c.cfg)}, c.facts)
	got := map[string]string{"plan": "", "diff": "", "diagnostics": diag.Text(diags, plan.Sources(c.cfg, c.facts))}
	if p != nil {
		j, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got["plan"] = string(j) + "\n"
		for _, d := range p.Dockerfiles {
			if d.Rewritten != nil {
				got["diff"] += udiff.Unified("a/"+d.Path, "b/"+d.Path, d.Text, *d.Rewritten)
			}
		}
	}
	compare(t, file, ar, got)
}

func targetNames(cfg *schema.Config) []string {
	var out []string
	for _, t := range cfg.Targets {
		out = append(out, t.Name)
	}
	return out
}

// compare checks the output sections of a golden file, or rewrites them.
func compare(t *testing.T, file string, ar *txtar.Archive, got map[string]string) {
	t.Helper()
	want := map[string]string{}
	var kept []txtar.File
	for _, f := range ar.Files {
		if _, ok := got[f.Name]; ok {
			want[f.Name] = string(f.Data)
		} else {
			kept = append(kept, f)
		}
	}
	if os.Getenv("XBUILD_UPDATE") == "1" {
		for _, name := range []string{"state", "diagnostics", "diff", "edit", "plan"} {
			if got[name] != "" {
				kept = append(kept, txtar.File{Name: name, Data: []byte(got[name])})
			}
		}
		ar.Files = kept
		if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name := range got {
		if got[name] != want[name] {
			t.Errorf("%s differs (XBUILD_UPDATE=1 rewrites it):\n%s", name, udiff.Unified("want", "got", want[name], got[name]))
		}
	}
}
