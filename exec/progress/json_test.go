package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema/diag"
)

var (
	sectionLine = regexp.MustCompile("(?m)^## `([a-z-]+)`$")
	fieldLine   = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z ]+) \\| [^|]+ \\|$")
)

// fieldsOf lists the fields of a shape as the documentation does: name and type.
func fieldsOf(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			continue
		}
		out = append(out, f.Tag.Get("json")+": "+typeName(f.Type))
	}
	return out
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "number"
	case reflect.Map:
		return "object"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "list of objects"
		}
		return "list of " + typeName(t.Elem()) + "s"
	}
	if t == reflect.TypeFor[time.Time]() {
		return "time"
	}
	return t.String()
}

// documented lists the fields of a part of the page.
func documented(text string) []string {
	var out []string
	for _, m := range fieldLine.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1]+": "+m[2])
	}
	return out
}

// TestEventsAreDocumented: docs/events.md has every type of event and every field with its type, in the order in which they are
// printed, and nothing else.
func TestEventsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	if !strings.Contains(page, fmt.Sprintf("\nVersion %d. ", EventsVersion)) {
		t.Errorf("the page is not about version %d", EventsVersion)
	}
	at := sectionLine.FindAllStringSubmatchIndex(page, -1)
	if len(at) != len(types()) {
		t.Fatalf("%d types are documented, there are %d", len(at), len(types()))
	}
	if diff := cmp.Diff(fieldsOf(reflect.TypeFor[head]()), documented(page[:at[0][0]])); diff != "" {
		t.Errorf("every event (-is +documented):\n%s", diff)
	}
	for i, e := range types() {
		end := len(page)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		if name := page[at[i][2]:at[i][3]]; name != e.name {
			t.Errorf("section %d is about %s, want %s", i, name, e.name)
		}
		if diff := cmp.Diff(fieldsOf(reflect.TypeOf(e.shape)), documented(page[at[i][0]:end])); diff != "" {
			t.Errorf("%s (-is +documented):\n%s", e.name, diff)
		}
	}
	// What lists of objects hold is told in the text of their field.
	for _, shape := range []any{runTarget{}, runStage{}, plan.Use{}} {
		for _, f := range fieldsOf(reflect.TypeOf(shape)) {
			if name, _, _ := strings.Cut(f, ":"); !strings.Contains(page, "`"+name+"`") {
				t.Errorf("%s of %T is not documented", name, shape)
			}
		}
	}
	for _, s := range []exec.State{exec.Done, exec.CachedOut, exec.Unchanged, exec.Failed, exec.Skipped, exec.Canceled} {
		if !strings.Contains(page, "`"+string(s)+"`") {
			t.Errorf("the state %s is not documented", s)
		}
	}
	for _, k := range exec.FailureKinds() {
		if !strings.Contains(page, "`"+string(k)+"`") {
			t.Errorf("the failure %s is not documented", k)
		}
	}
}

// jsonRun plays the film and returns what is printed.
func jsonRun(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	c := &clock{start}
	p := guide()
	p.Stages[0].Reason = "FROM <base> & more"
	d, err := New(JSON, &out, p, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	film(newPlayer(d, c), func(string) {})
	rep := report(p, 66.4, exec.Canceled, map[string]exec.State{"base@" + three: exec.Done, "build-client@linux/amd64": exec.Done,
		"build-server@linux/arm64": exec.Failed, "binaries@linux/arm64": exec.Skipped})
	rep.Err = errTest
	rep.Failures = []*exec.Failure{{Kind: exec.StepFailed, Stage: "build-server@linux/arm64", Step: "RUN go build", ExitCode: 1, At: diag.LineRange("Dockerfile", 7),
		Uses: []plan.Use{{Target: "binaries", Platform: "linux/arm64"}}, Log: []string{"x.go:1: no"}, Err: errTest}}
	rep.Builds = []exec.BuildResult{{Target: "binaries", Platform: "linux/amd64", Path: "server", Why: "it says so"}}
	rep.Outputs = []exec.OutputResult{{Target: "binaries", Type: "local", Dest: "/p/bin", Files: 3, Bytes: 12}}
	d.Close(rep)
	d.Close(rep)
	d.Event(exec.Event{Type: exec.Message, Name: "too late"})
	return out.String()
}

func TestJSON(t *testing.T) { golden(t, "events.jsonl", jsonRun(t)) }

// Every line is an object with exactly the fields of its type, and every stage has one final state.
func TestJSONHasTheShapesOfItsTypes(t *testing.T) {
	finals, last := map[string]int{}, ""
	for line := range strings.Lines(jsonRun(t)) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		last = e["type"].(string)
		var shape reflect.Type
		for _, x := range types() {
			if x.name == last {
				shape = reflect.TypeOf(x.shape)
			}
		}
		if shape == nil {
			t.Fatalf("unknown type: %s", line)
		}
		want := append(fieldsOf(reflect.TypeFor[head]()), fieldsOf(shape)...)
		if len(e) != len(want) {
			t.Errorf("%d fields, want %d: %s", len(e), len(want), line)
		}
		for _, f := range want {
			name, typ, _ := strings.Cut(f, ": ")
			ok := e[name] != nil
			switch e[name].(type) {
			case string:
				ok = typ == "text" || typ == "time"
			case []any:
				ok = strings.HasPrefix(typ, "list of ")
			}
			if !ok {
				t.Errorf("%s is %T, want a %s: %s", name, e[name], typ, line)
			}
		}
		if e["final"] == true {
			finals[e["stage"].(string)]++
		}
	}
	if last != "end" {
		t.Errorf("the last event is %s, want end", last)
	}
	for _, s := range guide().Stages {
		if finals[s.ID] != 1 {
			t.Errorf("stage %s has %d final states", s.ID, finals[s.ID])
		}
	}
}

func TestMessages(t *testing.T) {
	var out bytes.Buffer
	w := Messages(&out, func() time.Time { return start })
	for _, s := range []string{"error: no", "thing [x]\n\n  --> \x1b[31mx.hcl\x1b[0m\nwarn", "ing \"<a>\"\n", "an end that never comes"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	const prefix = `{"version":1,"type":"message","time":"2026-03-01T12:00:00Z","text":`
	want := prefix + `"error: nothing [x]"}` + "\n" + prefix + `"  --> x.hcl"}` + "\n" + prefix + `"warning \"<a>\""}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestRawJSON(t *testing.T) {
	var out bytes.Buffer
	d, err := New(RawJSON, &out, guide(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.Event(exec.Event{Type: exec.Message, Name: "not BuildKit's"})
	line := append(make([]byte, 0, 100), `{"vertexes":[]}`...)
	d.(RawDisplay).Status(line)
	d.Close(&exec.Report{})
	if got := out.String(); got != "{\"vertexes\":[]}\n" || string(line[:cap(line)][len(line):len(line)+1]) == "\n" {
		t.Errorf("got %q; the caller's memory has %q", got, line[:cap(line)])
	}
}

func TestFromEnv(t *testing.T) {
	for _, tt := range []struct {
		asked, env string
		want       Mode
		err        string
	}{
		{"auto", "", Auto, ""},
		{"plain", "GITHUB_ACTIONS=true BUILDKIT_PROGRESS=tty", Plain, ""},
		{"auto", "GITHUB_ACTIONS=true", GitHub, ""},
		{"auto", "GITHUB_ACTIONS=false", Auto, ""},
		{"auto", "GITLAB_CI=true", GitLab, ""},
		{"auto", "GITHUB_ACTIONS=true BUILDKIT_PROGRESS=plain", Plain, ""},
		{"auto", "GITHUB_ACTIONS=true BUILDKIT_PROGRESS=auto", GitHub, ""},
		{"none", "", Quiet, ""},
		{"auto", "BUILDKIT_PROGRESS=rawjson", RawJSON, ""},
		{"loud", "", "", "--progress loud: want one of auto, "},
		{"auto", "BUILDKIT_PROGRESS=loud", "", "BUILDKIT_PROGRESS loud: want one of auto, "},
	} {
		env := map[string]string{}
		for kv := range strings.FieldsSeq(tt.env) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		got, err := FromEnv(tt.asked, func(k string) string { return env[k] })
		if got != tt.want || (err != nil) != (tt.err != "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%s with %q: %q, %v", tt.asked, tt.env, got, err)
		}
	}
}
