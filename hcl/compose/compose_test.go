package compose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/internal/volume"
)

// A case is an archive in testdata. Its comment may hold the lines
//
//	env: NAME=VALUE ...      the environment
//	vars: NAME=VALUE ...     what --var sets
//	files: NAME ...          the files to read; compose.yml if there is no such line
//	differs: REASON          Bake does not give this result, for the reason
//
// The archive's file want.json is the result as Bake's JSON; want.err is the error instead; warnings holds what is warned
// of. XBUILD_UPDATE=1 rewrites them: want.json with the output of the Bake that XBUILD_PEER names (the path of buildx),
// unless the case differs, so that this package is compared with Bake and not with itself.
type testCase struct {
	archive *txtar.Archive
	env     map[string]string
	vars    map[string]string
	files   []string
	differs bool
}

func readCase(t *testing.T, path string) *testCase {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &testCase{archive: a, env: map[string]string{}, vars: map[string]string{}, files: []string{"compose.yml"}}
	for line := range strings.Lines(string(a.Comment)) {
		key, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		words := strings.Fields(rest)
		switch key {
		case "env", "vars":
			for _, w := range words {
				k, v, _ := strings.Cut(w, "=")
				map[string]map[string]string{"env": c.env, "vars": c.vars}[key][k] = v
			}
		case "files":
			c.files = words
		case "differs":
			c.differs = true
		}
	}
	return c
}

func (c *testCase) section(name string) (string, bool) {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

func (c *testCase) setSection(name, text string) {
	i := slices.IndexFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == name })
	switch {
	case i < 0 && text != "":
		c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(text)})
	case i >= 0 && text == "":
		c.archive.Files = slices.Delete(c.archive.Files, i, i+1)
	case i >= 0:
		c.archive.Files[i].Data = []byte(text)
	}
}

func isWant(name string) bool {
	return slices.Contains([]string{"want.json", "want.err", "warnings"}, name)
}

// unpack writes the files of the case to a folder and makes it the working directory.
func (c *testCase) unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range c.archive.Files {
		if isWant(f.Name) {
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return dir
}

func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d cases, error %v; want at least 60", len(paths), err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			c := readCase(t, filepath.Join(root, path))
			dir := c.unpack(t)
			var files []File
			for _, name := range c.files {
				text, ok := c.section(name)
				if !ok {
					t.Fatalf("the case has no file %s", name)
				}
				files = append(files, File{name, []byte(text)})
			}
			def, err := Read(files, Env{Dir: dir, Environ: c.env, Vars: c.vars})
			c.compare(t, filepath.Join(root, path), def, err)
		})
	}
}

// compare holds the result against the golden parts of the case.
func (c *testCase) compare(t *testing.T, path string, def *Definition, err error) {
	t.Helper()
	got, gotErr, warnings := "", "", ""
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("the error %v is a %T, want *Error", err, err)
		}
		gotErr = err.Error() + "\n"
	} else {
		got = asBake(t, def)
		warnings = strings.Join(append(def.Warnings, ""), "\n")
	}
	if os.Getenv("XBUILD_UPDATE") == "1" {
		want := got
		peer := os.Getenv("XBUILD_PEER")
		if peer != "" {
			if out := c.peer(t, peer); !c.differs {
				want = out
			}
		}
		c.setSection("want.json", want)
		c.setSection("want.err", gotErr)
		c.setSection("warnings", warnings)
		if err := os.WriteFile(path, txtar.Format(c.archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, g := range map[string]string{"want.json": got, "want.err": gotErr, "warnings": warnings} {
		w, _ := c.section(name)
		if d := cmp.Diff(w, g); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// peer is what Bake prints for the case, with sorted keys and with the lists sorted that it prints in random order. It
// is empty where Bake refuses the file.
func (c *testCase) peer(t *testing.T, buildx string) string {
	t.Helper()
	args := []string{"bake", "--print"}
	for _, f := range c.files {
		args = append(args, "-f", f)
	}
	for k, v := range c.vars {
		args = append(args, "--var", k+"="+v)
	}
	// Bake looks at keys and agents even when it only prints.
	for _, f := range c.archive.Files {
		if string(f.Data) == "an agent\n" {
			os.Remove(f.Name)
			listen(t, f.Name)
		}
	}
	agent := filepath.Join(t.TempDir(), "agent")
	listen(t, agent)
	cmd := osexec.Command(buildx, args...)
	cmd.Env = []string{"DOCKER_CONFIG=" + os.Getenv("DOCKER_CONFIG"), "SSH_AUTH_SOCK=" + agent}
	for k, v := range c.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Logf("the peer says: %s", stderr.String())
		return ""
	}
	var v any
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	if targets, ok := v.(map[string]any)["target"].(map[string]any); ok {
		for _, target := range targets {
			if l, ok := target.(map[string]any)["ulimits"].([]any); ok {
				slices.SortFunc(l, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			}
		}
	}
	return indent(t, v)
}

func listen(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func indent(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// asBake is a definition in the form of Bake's JSON: entries taken apart, repetitions dropped by Bake's rules, and
// defaults filled in.
func asBake(t *testing.T, def *Definition) string {
	t.Helper()
	var names []string
	targets := map[string]any{}
	for _, target := range def.Targets {
		names = append(names, target.Name)
		out := map[string]any{"context": ".", "dockerfile": "Dockerfile"}
		for name, v := range target.Values {
			switch name {
			case "cache-from", "cache-to", "secret", "ssh", "output", "attest":
				v = entries(name, v.([]string))
			}
			out[name] = v
		}
		if out["network"] == "host" {
			out["entitlements"] = []string{"network.host"}
		}
		targets[target.Name] = out
	}
	if !def.HasServices {
		return indent(t, map[string]any{})
	}
	return indent(t, map[string]any{"group": map[string]any{"default": map[string]any{"targets": names}}, "target": targets})
}

func entries(attr string, in []string) []any {
	id := map[string]string{"secret": "id", "ssh": "id", "attest": "type"}[attr]
	var out []any
	for _, s := range in {
		for _, e := range parse(attr, s) {
			i := slices.IndexFunc(out, func(o any) bool {
				if id != "" {
					return o.(map[string]any)[id] == e[id]
				}
				return fmt.Sprint(o) == fmt.Sprint(e)
			})
			if i < 0 {
				out = append(out, e)
			} else {
				out[i] = e
			}
		}
	}
	return out
}

// parse takes one entry apart, for values without quotes.
func parse(attr, s string) []map[string]any {
	e := map[string]any{}
	if attr == "ssh" {
		id, paths, ok := strings.Cut(s, "=")
		if e["id"] = id; ok {
			e["paths"] = strings.Split(paths, ",")
		}
		return []map[string]any{e}
	}
	if !strings.Contains(s, "=") {
		switch attr {
		case "output":
			return []map[string]any{{"type": "local", "dest": s}}
		default:
			var out []map[string]any
			for _, ref := range strings.Split(s, ",") {
				out = append(out, map[string]any{"type": "registry", "ref": ref})
			}
			return out
		}
	}
	for _, f := range strings.Split(s, ",") {
		k, v, _ := strings.Cut(f, "=")
		if k != "disabled" {
			e[k] = v
		} else if v == "true" {
			e[k] = true
		}
	}
	if attr == "secret" && e["type"] == "env" {
		e["env"] = e["src"]
		delete(e, "src")
	}
	if attr == "secret" {
		delete(e, "type")
	}
	return []map[string]any{e}
}

func TestValidate(t *testing.T) {
	const good, bad = "services: {a: {build: .}}\n", "target \"a\" {}\n"
	for _, tt := range []struct {
		name, text string
		is, fails  bool
	}{
		{"compose.yml", good, true, false},
		{"x.YAML", good, true, false},
		{"x.yaml", bad, true, true},
		{"x.json", good, false, false},
		{"x.json", `{"services": {"a": {"build": "."}}}`, false, false},
		{"x.HCL", good, false, false},
		{"-", good, true, false},
		{"", `{"services": {"a": {"build": "."}}}`, true, false},
		{"Bakefile", good, true, false},
		{"Bakefile", bad, false, true},
		{"-", `{"target": {"a": {}}}`, false, true},
		{"-", "", false, true},
		{"-", "target: {a: {}}\n", false, true},
		{"c.yml", "services: {a: {build: {context: ., nonsense: 1}}}\n", true, true},
		{"-", "services: {a: {build: {context: ., nonsense: 1}}}\n", false, true},
		{"c.yml", "services: {a: {build: {secrets: [s]}}}\n", true, false}, // the secret may be in another file
		{"c.yml", "services: {a: {build: {context: \"${X?no}\"}}}\n", true, true},
		{"-", "secrets: {s: {file: f}}\n", true, false},
	} {
		is, err := Validate(tt.name, []byte(tt.text), Env{Dir: t.TempDir()})
		if is != tt.is || (err != nil) != tt.fails {
			t.Errorf("%s %q: compose %t, error %v", tt.name, tt.text, is, err)
		}
	}
}

func TestReadInAnotherFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("V=from-file\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	def, err := Read([]File{{"c.yml", []byte("services: {a: {build: {context: sub, args: {V: \"$V\"}}}}\n")}}, Env{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	v := def.Targets[0].Values
	if v["context"] != filepath.Join(dir, "sub") {
		t.Errorf("context = %v", v["context"])
	}
	if got := *v["args"].(map[string]*string)["V"]; got != "from-file" {
		t.Errorf("V = %q", got)
	}
}

// Two readings of the same text must not differ, although compose has maps everywhere.
func TestDeterministic(t *testing.T) {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range 30 {
		fmt.Fprintf(&b, "  s%d: {build: {context: ., ulimits: {nofile: {soft: 1, hard: 2}, nproc: {soft: 3, hard: 4}}, additional_contexts: {a: b, c: d}, ssh: [b=y, a=x], x-bake: {tags: [z, y]}}}\n", i)
	}
	var first *Definition
	dir := t.TempDir()
	for range volume.Of(3, 20) {
		def, err := Read([]File{{"c.yml", []byte(b.String())}}, Env{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = def
		}
		if d := cmp.Diff(first, def); d != "" {
			t.Fatal(d)
		}
	}
}

func TestPositionOfTargets(t *testing.T) {
	files := []File{
		{"a.yml", []byte("services:\n  web:\n    build: .\n  db.x:\n    build: .\n")},
		{"b.yml", []byte("x-y: 1\nservices:\n  web:\n    build: {target: t}\n")},
	}
	def, err := Read(files, Env{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{}
	for _, target := range def.Targets {
		at[target.Name] = fmt.Sprintf("%s:%d", target.File, target.Line)
	}
	if want := map[string]string{"web": "b.yml:3", "db_x": "a.yml:4"}; !maps.Equal(at, want) {
		t.Errorf("positions = %v, want %v", at, want)
	}
}

func FuzzRead(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if !isWant(file.Name) {
				f.Add(file.Data)
			}
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		def, err := Read([]File{{"c.yml", text}}, Env{Dir: dir})
		var e *Error
		switch {
		case err == nil && def == nil, err != nil && !errors.As(err, &e):
			t.Errorf("definition %v, error %v", def, err)
		case e != nil && e.Line > bytes.Count(text, []byte("\n"))+1:
			t.Errorf("line %d of %d: %v", e.Line, bytes.Count(text, []byte("\n"))+1, e)
		}
	})
}
