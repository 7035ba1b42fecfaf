package guards

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestEditedPlans: each path of a saved plan, wherever it stands in it, is turned into one outside. Whatever that does to the
// run, nothing outside is read or written; and most of them are refused by name.
func TestEditedPlans(t *testing.T) {
	text := `target "default" {
  contexts   = { lib = "lib" }
  platforms  = ["linux/amd64", "linux/arm64"]
  secret     = ["id=s,src=lib/secret"]
  ssh        = ["k=lib/agent"]
  cache-from = ["type=local,src=cache"]
  cache-to   = ["type=local,dest=cache"]
  output     = ["out", "type=tar,dest=out.tar"]
}
target "other" {
  contexts          = { lib = "lib" }
  dockerfile-inline = "FROM scratch\nCOPY --from=lib x /y\n"
  cache-to          = ["type=local,dest=cache"]
}
`
	for _, dialect := range []string{"docker-bake.hcl", "xbuild.hcl"} {
		t.Run(dialect, func(t *testing.T) {
			same := map[string]string{"lib/x": canary, "lib/secret": canary, "Dockerfile": "FROM scratch\nCOPY --from=lib x /x\n", "cache/index.json": "{}", dialect: text}
			g := guard{name: "edited", outside: same, setup: func(t *testing.T, s *site) {
				s.write("{project}/lib/x", "x")
				s.write("{project}/lib/secret", "s")
				s.write("{project}/Dockerfile", same["Dockerfile"])
				agentAt(t, s, "{project}/lib/agent")
				agentAt(t, s, "{outside}/lib/agent")
			}}
			s := newSite(t, &g, dialect, text, local)
			if r := s.xbuild(nil, "plan", "default", "other", "--out", s.saved); r.code != 0 {
				t.Fatal(r.stderr)
			}
			if r := s.xbuild(nil, "run", "--plan", s.saved); r.code != 0 {
				t.Fatalf("the plan as it was saved: exit code %d\n%s", r.code, r.stderr)
			}
			data, err := os.ReadFile(s.saved)
			if err != nil {
				t.Fatal(err)
			}
			s.checkEdits(t, data)
		})
	}
}

// checkEdits runs the plan with each path changed.
func (s *site) checkEdits(t *testing.T, data []byte) {
	project, outside := s.expand("{project}"), s.expand("{outside}")
	before := s.outside()
	edits, refused := 0, 0
	for n := 0; ; n++ {
		edited, where := editPath(t, data, n, project, outside)
		if where == "" {
			break
		}
		edits++
		if err := os.WriteFile(s.saved, edited, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(s.expand("{project}/out")); err != nil {
			t.Fatal(err)
		}
		r := s.xbuild(nil, "run", "--plan", s.saved)
		if d := diff(before, s.outside()); d != "" {
			t.Errorf("%s: exit code %d, and something outside changed:\n%s", where, r.code, d)
		}
		if x, _ := os.ReadFile(s.expand("{project}/out/linux_amd64/x")); strings.Contains(string(x), canary) {
			t.Errorf("%s: something outside was read", where)
		}
		if strings.Contains(r.stdout+r.stderr, canary) {
			t.Errorf("%s: something outside is shown:\n%s", where, r.stderr)
		}
		if r.code == 2 && strings.Contains(r.stderr, "[not-granted]") {
			refused++
		}
	}
	t.Logf("%d paths, %d refused by name", edits, refused)
	if edits < 20 || refused < 10 {
		t.Errorf("of %d paths only %d are refused by name", edits, refused)
	}
}

// outside is the part of the snapshot that is not the project.
func (s *site) outside() map[string]string {
	out := s.snapshot()
	for p := range out {
		if strings.HasPrefix(p, "/project") || p == "" {
			delete(out, p)
		}
	}
	return out
}

// editPath replaces the directory in the nth path below it that the JSON document has, and says where that stands.
func editPath(t *testing.T, data []byte, n int, from, to string) (edited []byte, where string) {
	t.Helper()
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(v any, at string) any
	walk = func(v any, at string) any {
		switch v := v.(type) {
		case string:
			if strings.HasPrefix(v, from) && where == "" {
				if n--; n < 0 {
					where = at
					return to + strings.TrimPrefix(v, from)
				}
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i], fmt.Sprintf("%s[%d]", at, i))
			}
		case map[string]any:
			for _, k := range sortedKeys(v) {
				v[k] = walk(v[k], at+"."+k)
			}
		}
		return v
	}
	doc = walk(doc, "")
	edited, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return edited, where
}
