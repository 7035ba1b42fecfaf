package cli

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// TestSensitiveValues puts random sensitive values through functions and interpolations into attributes, and shows the project by every
// command: no form of the value is in what is printed.
func TestSensitiveValues(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	wraps := []string{`V`, `"x-${V}-y"`, `upper(V)`, `base64encode(V)`, `urlencode(V)`, `join(",", [V, "a"])`, `{ a = V }.a`, `[for s in [V] : "${s}!"][0]`,
		`V == "" ? "none" : V`, `jsonencode({ k = V })`, `format("%s", V)`, `replace(V, "a", "b")`, `try(V, "x")`, `coalesce(V, "x")`, `wrap(V)`, `G`}
	places := []string{`args = { A = %s }`, `labels = { A = %s }`, `tags = [%s]`, `context = %s`, `contexts = { a = %s }`, `dockerfile = %s`, `target = %s`,
		`output = [%s]`, `description = %s`, `annotations = ["k=${%s}"]`, `platforms = [%s]`, `cache-from = [%s]`, `args = { A = jsondecode(%s) }`, `args = { A = parseint(%s, 10) }`}
	commands := []string{"print", "list variables", "list variables --format json", "validate", "validate --format json", "validate --format github", "plan --offline",
		"plan --offline --format json", "graph --offline", "run --progress plain", "run --progress github", "run --progress json", "run --list variables"}
	shown := 0
	for range 60 {
		value := fmt.Sprintf("s3cr3t-%08x/+%04x", rnd.Uint32(), rnd.Uint32()&0xffff)
		dir := t.TempDir()
		writeForeign(t, filepath.Join(dir, "Dockerfile"), "FROM alpine\nARG A\nRUN true\n")
		attribute := fmt.Sprintf(places[rnd.IntN(len(places))], wraps[rnd.IntN(len(wraps))])
		writeForeign(t, filepath.Join(dir, "xbuild.hcl"), `variable "V" {
  type      = string
  sensitive = true
  validation {
    condition     = V != "never"
    error_message = "bad value ${V}"
  }
}
G = "global-${V}"
function "wrap" {
  params = [x]
  result = "<${x}>"
}
target "default" {
  `+attribute+`
}
`)
		t.Chdir(dir)
		t.Setenv("XBUILD_STATE_DIR", filepath.Join(dir, "state"))
		for _, line := range commands {
			args := append(strings.Split(line, " "), "--var", "V="+value)
			out, err := runForeign(t, args)
			for _, form := range []string{value, strings.ToUpper(value), url.QueryEscape(value), base64.StdEncoding.EncodeToString([]byte(value))} {
				if strings.Contains(out+err, form) {
					t.Errorf("%s, xbuild %s: shows %q\n%s%s", attribute, line, form, out, err)
				}
			}
			if out+err != "" {
				shown++
			}
		}
	}
	if shown < 300 {
		t.Errorf("only %d commands printed anything", shown)
	}
}
