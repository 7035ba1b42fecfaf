package hcl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/hcl"
	"github.com/xbuild/xbuild/internal/volume"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// update rewrites the golden parts of testdata in place of comparing them.
var update = os.Getenv("XBUILD_UPDATE") != ""

// testCase is one archive of testdata: build files, and what they mean.
//
// Files that end in .hcl or .json are build files, read in the order of the archive, in the folder /src. The files
// "env" and "vars" hold NAME=VALUE lines and "set" one --set argument a line; the working directory is /cwd. The golden
// files are "want", the configuration as JSON, and "diags", the diagnostics as the user sees them.
type testCase struct {
	name    string
	archive *txtar.Archive
}

func testCases(t testing.TB) []testCase {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 40 {
		t.Fatalf("testdata holds %d cases, want 40 or more", len(paths))
	}
	var out []testCase
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, testCase{strings.TrimSuffix(filepath.Base(p), ".txtar"), a})
	}
	return out
}

func (c testCase) file(name string) (string, bool) {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

func (c testCase) lines(name string) []string {
	text, _ := c.file(name)
	return slices.DeleteFunc(strings.Split(text, "\n"), func(s string) bool { return s == "" })
}

func (c testCase) pairs(name string) map[string]string {
	out := map[string]string{}
	for _, l := range c.lines(name) {
		k, v, _ := strings.Cut(l, "=")
		out[k] = v
	}
	return out
}

func (c testCase) env() hcl.Env {
	env := c.pairs("env")
	var targets []string
	if _, ok := c.file("args"); ok {
		targets = c.lines("args")
	}
	return hcl.Env{Dir: "/cwd", Vars: c.pairs("vars"), Sets: c.lines("set"), Targets: targets, LocalPlatform: "linux/amd64",
		Stat: c.stat, ReadFile: c.readFile, Glob: c.glob, Git: c.git(),
		Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
}

// included begins the names of files that only other files name.
const included = "more/"

// readFile reads a file of the case; all lie in /src.
func (c testCase) readFile(p string) ([]byte, error) {
	text, ok := c.file(strings.TrimPrefix(p, "/src/"))
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func (c testCase) glob(pattern string) ([]string, error) {
	var out []string
	for _, f := range c.archive.Files {
		ok, err := path.Match(pattern, "/src/"+f.Name)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, "/src/"+f.Name)
		}
	}
	return out, nil
}

// stat knows the files of the case and the folder /tmp.
func (c testCase) stat(p string) (fs.FileInfo, error) {
	if p == "/tmp" {
		return os.Stat(os.TempDir())
	}
	if _, err := c.readFile(p); err != nil {
		return nil, err
	}
	return os.Stat("golden_test.go")
}

// git is the repository that the file "git" of the case describes.
func (c testCase) git() *hcl.Git {
	if _, ok := c.file("git"); !ok {
		return nil
	}
	get := func(name string) func() (string, error) {
		return func() (string, error) {
			v := c.pairs("git")[name]
			if msg, bad := strings.CutPrefix(v, "error:"); bad {
				return "", errors.New(msg)
			}
			return v, nil
		}
	}
	return &hcl.Git{Commit: get("commit"), Branch: get("branch"), Tag: get("tag"), Time: get("time"),
		Dirty: func() (bool, error) { return c.pairs("git")["dirty"] == "true", nil }}
}

// load reads the build files of the case.
func (c testCase) load() (*schema.Config, diag.List, diag.Sources) {
	var files []*hcl.File
	var diags diag.List
	sources := diag.Sources{}
	for _, f := range c.archive.Files {
		if !strings.HasSuffix(f.Name, ".hcl") && !strings.HasSuffix(f.Name, ".json") && !strings.HasSuffix(f.Name, ".yml") || strings.HasPrefix(f.Name, included) {
			continue
		}
		sources[f.Name] = f.Data
		file, d := hcl.Parse(f.Name, "/src/"+f.Name, f.Data)
		diags = append(diags, d...)
		if file != nil {
			files = append(files, file)
		}
	}
	if diags.HasErrors() {
		return nil, diags, sources
	}
	cfg, d := hcl.Load(files, c.env())
	diags = append(diags, d...)
	if _, build := c.file("build"); build { // a case that asks for more than to be read
		diags = append(diags, hcl.NotBuilt(cfg)...)
	}
	return cfg, diags, cfg.Sources
}

func TestGolden(t *testing.T) {
	known := map[string]bool{}
	for _, c := range hcl.Codes {
		known[c.Name] = true
	}
	for _, c := range testCases(t) {
		t.Run(c.name, func(t *testing.T) {
			cfg, diags, sources := c.load()
			for _, d := range diags {
				if !known[d.Code] {
					t.Errorf("code %q is not in hcl.Codes", d.Code)
				}
			}
			got := map[string]string{}
			if len(diags) > 0 {
				got["diags"] = diag.Text(diags, sources)
			}
			if !diags.HasErrors() {
				got["want"] = dump(t, cfg)
			}
			if update {
				c.update(t, got)
				return
			}
			for _, name := range []string{"diags", "want"} {
				want, _ := c.file(name)
				if d := cmp.Diff(want, got[name]); d != "" {
					t.Errorf("%s (-want +got):\n%s", name, d)
				}
			}
			if _, ok := c.file("diags"); !ok && got["want"] == "" {
				t.Error("the case has no golden part")
			}
		})
	}
}

// update writes the golden parts of the case.
func (c testCase) update(t *testing.T, got map[string]string) {
	a := *c.archive
	a.Files = slices.DeleteFunc(slices.Clone(a.Files), func(f txtar.File) bool { return f.Name == "diags" || f.Name == "want" })
	for _, name := range []string{"diags", "want"} {
		if got[name] != "" {
			a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got[name])})
		}
	}
	if err := os.WriteFile("testdata/"+c.name+".txtar", txtar.Format(&a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEveryCodeHasACase keeps the list of codes honest: each is shown by a golden file.
func TestEveryCodeHasACase(t *testing.T) {
	var all bytes.Buffer
	for _, c := range testCases(t) {
		text, _ := c.file("diags")
		all.WriteString(text)
	}
	for _, c := range hcl.Codes {
		if !strings.Contains(all.String(), "["+c.Name+"]") {
			t.Errorf("no case in testdata shows %s (%s)", c.Name, c.Doc)
		}
	}
}

// TestSubjects checks that every diagnostic points into a text that is there.
func TestSubjects(t *testing.T) {
	for _, c := range testCases(t) {
		_, diags, sources := c.load()
		for _, d := range diags {
			if err := rangesInside(d, sources); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// TestLoadIsPure loads every case many times: the result may not depend on anything but the input.
func TestLoadIsPure(t *testing.T) {
	for _, c := range testCases(t) {
		cfg, diags, _ := c.load()
		for range volume.Of(2, 50) {
			cfg2, diags2, _ := c.load()
			if d := cmp.Diff(cfg, cfg2) + cmp.Diff(diags, diags2); d != "" {
				t.Fatalf("%s: a second Load differs:\n%s", c.name, d)
			}
		}
	}
}

// The view of a configuration in golden files: what is empty is left out, ranges are short.
type (
	configView struct {
		Dir       string                 `json:"dir"`
		Files     []string               `json:"files"`
		Variables []string               `json:"variables,omitempty"`
		Groups    map[string]groupView   `json:"groups,omitempty"`
		Targets   map[string]*targetView `json:"targets,omitempty"`
		Order     []string               `json:"order,omitempty"`

		Strategies map[string]map[string]any `json:"strategies,omitempty"`
	}
	groupView struct {
		Description string   `json:"description,omitempty"`
		Members     []string `json:"members"`
		At          string   `json:"at"`
	}
	targetView struct {
		DependsOn   []string             `json:"depends-on,omitempty"`
		Concurrency int                  `json:"concurrency,omitempty"`
		Description string               `json:"description,omitempty"`
		At          string               `json:"at"`
		Platforms   []string             `json:"platforms,omitempty"`
		Base        *buildView           `json:"base"`
		PerPlatform map[string]buildView `json:"per_platform,omitempty"`
		Ranges      map[string]string    `json:"ranges,omitempty"`
	}
	buildView struct {
		Context          string            `json:"context,omitempty"`
		Contexts         map[string]string `json:"contexts,omitempty"`
		Dockerfile       string            `json:"dockerfile,omitempty"`
		DockerfileInline string            `json:"dockerfile-inline,omitempty"`
		Stage            string            `json:"stage,omitempty"`
		Args             map[string]string `json:"args,omitempty"`
		SensitiveArgs    []string          `json:"sensitive-args,omitempty"`
		Hidden           []string          `json:"hidden,omitempty"`
		Labels           map[string]string `json:"labels,omitempty"`
		Tags             []string          `json:"tags,omitempty"`
		Outputs          []schema.Output   `json:"outputs,omitempty"`
		Strategy         schema.Strategy   `json:"strategy,omitempty"`
		Optional         bool              `json:"optional,omitempty"`
		NoCache          bool              `json:"no-cache,omitempty"`
		NoCacheFilter    []string          `json:"no-cache-filter,omitempty"`
		Pull             bool              `json:"pull,omitempty"`
		CacheFrom        []schema.Cache    `json:"cache-from,omitempty"`
		CacheTo          []schema.Cache    `json:"cache-to,omitempty"`
		Secrets          []schema.Secret   `json:"secrets,omitempty"`
		SSH              []schema.SSH      `json:"ssh,omitempty"`
		Attest           []schema.Attest   `json:"attest,omitempty"`
		Annotations      []string          `json:"annotations,omitempty"`
		Network          string            `json:"network,omitempty"`
		ShmSize          int64             `json:"shm-size,omitempty"`
		Ulimits          []string          `json:"ulimits,omitempty"`
		ExtraHosts       map[string]string `json:"extra-hosts,omitempty"`
		Resources        map[string]string `json:"resources,omitempty"`
		Entitlements     []string          `json:"entitlements,omitempty"`
		Call             string            `json:"call,omitempty"`
		Policies         []schema.Policy   `json:"policies,omitempty"`
		Verify           bool              `json:"verify,omitempty"`
		Timeout          time.Duration     `json:"timeout,omitempty"`
		Retries          int               `json:"retries,omitempty"`
		NoRecipeCache    bool              `json:"no-recipe-cache,omitempty"`
	}
)

func dump(t *testing.T, cfg *schema.Config) string {
	v := configView{Dir: cfg.Dir, Files: cfg.Files, Groups: map[string]groupView{}, Targets: map[string]*targetView{}, Strategies: map[string]map[string]any{}}
	for _, x := range cfg.Strategies {
		v.Strategies[x.Name] = strategyView(x)
	}
	for _, x := range cfg.Variables {
		v.Variables = append(v.Variables, strings.TrimSpace(x.Name+"="+x.Value+" ("+x.Source+") "+x.Description))
	}
	for _, g := range cfg.Groups {
		v.Groups[g.Name] = groupView{g.Description, g.Members, g.Range.String()}
	}
	for _, x := range cfg.Targets {
		v.Order = append(v.Order, x.Name)
		base := buildView(x.Base)
		tv := &targetView{Description: x.Description, DependsOn: x.DependsOn, Concurrency: x.Concurrency, At: x.Range.String(), Base: &base, Ranges: map[string]string{}}
		for _, p := range x.Platforms {
			tv.Platforms = append(tv.Platforms, p.String())
		}
		for p, b := range x.PerPlatform {
			if tv.PerPlatform == nil {
				tv.PerPlatform = map[string]buildView{}
			}
			tv.PerPlatform[p.String()] = buildView(*b)
		}
		for name, r := range x.Ranges {
			tv.Ranges[name] = r.String()
		}
		v.Targets[x.Name] = tv
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func strategyView(s *schema.StrategyBlock) map[string]any {
	out := map[string]any{"at": s.Range.String(), "description": s.Description, "mode": s.Mode, "fallback": s.Fallback,
		"native": s.Native, "fork": s.Fork, "base": s.Base}
	for p, values := range s.PerPlatform {
		out[p.String()] = values
	}
	return out
}
