package plan_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/plan"
)

// fill sets every field below v to something that is not its zero value, each to something else. The alternative of an
// alternative stays nil.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*plan.Plan]() && *n > firstPlan {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(k, n)
		fill(e, n)
		v.SetMapIndex(k, e)
	case reflect.String:
		v.SetString(fmt.Sprint("<v", *n, ">"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	default:
		panic("fill knows no " + v.Kind().String())
	}
}

// firstPlan is more than fill counts until it comes to the alternative of a plan.
const firstPlan = 400

// TestSavedKeepsEverything: a field that is added to a plan, or to what a build file says of a build, is saved too.
func TestSavedKeepsEverything(t *testing.T) {
	p := &plan.Plan{}
	n := 0
	fill(reflect.ValueOf(p).Elem(), &n)
	if n < 200 {
		t.Fatalf("only %d values were set", n)
	}
	if p.Alternative == nil || p.Alternative.Alternative != nil {
		t.Fatal("the plan has no alternative, or an endless one")
	}
	for _, p := range []*plan.Plan{p, p.Alternative} {
		p.Version = plan.Version
		// What a plan names must be there.
		for i := range p.Builds {
			b := &p.Builds[i]
			b.Target, b.Dockerfile, b.Result = p.Targets[i].Name, p.Dockerfiles[i].ID, p.Stages[i].ID
			b.Stages = []string{p.Stages[0].ID, p.Stages[1].ID}
		}
	}
	inputs := []plan.SavedInput{{Kind: "Dockerfile", Name: "d", Path: "/p/d", SHA256: "00"}}
	data, err := plan.Save(p, inputs)
	if err != nil {
		t.Fatal(err)
	}
	got, gotInputs, err := plan.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got); d != "" {
		t.Errorf("the loaded plan differs (-saved +loaded):\n%s", d)
	}
	if d := cmp.Diff(inputs, gotInputs); d != "" {
		t.Errorf("the inputs differ:\n%s", d)
	}
}

// TestSavedGolden: every golden plan comes back as it was, and saves to the same bytes again.
func TestSavedGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	saved := 0
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := readCase(t, ar)
		p, diags := plan.Make(c.cfg, plan.Request{Targets: targetNames(c.cfg)}, c.facts)
		if p == nil || diags.HasErrors() {
			continue
		}
		saved++
		first, err := plan.Save(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		q, _, err := plan.Load(first)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		second, _ := plan.Save(q, nil)
		if !bytes.Equal(first, second) {
			t.Errorf("%s: saved again, the plan differs", file)
		}
	}
	if saved < 6 {
		t.Errorf("only %d plans were saved", saved)
	}
}

// TestLoadRefuses: what is not a whole saved plan of this format is an error that says so.
func TestLoadRefuses(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/guide_auto.txtar")
	if err != nil {
		t.Fatal(err)
	}
	c := readCase(t, ar)
	p, _ := plan.Make(c.cfg, plan.Request{Targets: targetNames(c.cfg)}, c.facts)
	data, err := plan.Save(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	public := data[:bytes.Index(data, []byte(`,
  "saved"`))]
	for want, text := range map[string]string{
		"not a saved plan":            "{",
		"not a plan that plan --out":  string(public) + "}",
		"another version":             strings.Replace(string(data), `"format": 1`, `"format": 2`, 1),
		"format 7.1":                  strings.Replace(string(data), `"version": 1`, `"version": 7`, 1),
		"do not belong together":      strings.Replace(string(data), `"EndLines": [`, `"EndLines": [1,`, 1),
		"a stage that is not there":   strings.Replace(string(data), `"id": "`+p.Stages[0].ID, `"id": "x`, 1),
		"build of \"nope\" is not co": strings.Replace(string(data), `"Target": "binaries"`, `"Target": "nope"`, 1),
	} {
		if _, _, err := plan.Load([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}
