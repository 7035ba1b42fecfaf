package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecretsNowhere: two targets have different secrets under one id and steps that are the same to the byte; each gets its
// own, also when the step prints it, and after all commands no file that xbuild or its BuildKit wrote and nothing that was
// printed has a value.
func TestSecretsNowhere(t *testing.T) {
	const first, second = "first-s3cret-value-1f", "second-s3cret-value-2e"
	dir := project(t, map[string]string{"secrets/key": second + "\n", "xbuild.hcl": `target "shared" {
  context           = "empty"
  dockerfile-inline = <<EOT
FROM alpine:3.22 AS build
RUN --network=none --mount=type=secret,id=key cat /run/secrets/key; tr a-z n-za-m </run/secrets/key >/turned
FROM scratch
COPY --from=build /turned /
EOT
}
target "one" {
  inherits = ["shared"]
  secret   = ["id=key,env=FIRST"]
  output   = ["one"]
}
target "two" {
  inherits = ["shared"]
  secret   = [{ id = "key", src = "secrets/key" }]
  output   = ["two", "type=oci,dest=two.tar"]
}
group "default" { targets = ["one", "two"] }
`, "empty/x": ""})
	w := embedded(t, dir)
	w.env = append(w.env, "FIRST="+first)
	var said bytes.Buffer
	for _, args := range [][]string{{"plan"}, {"plan", "--format", "json"}, {"plan", "--out", "saved.plan"}, {"print"}, {"graph", "--format", "html"},
		{"run", "--progress", "plain", "--metadata-file", "meta.json"}, {"run", "--no-cache"}, {"run", "--no-cache", "--progress", "json"}, {"run", "--no-cache", "--progress", "rawjson"},
		{"run", "--no-cache", "--progress", "github"}, {"run", "--plan", "saved.plan"}} {
		r := w.ok(t, args...)
		said.WriteString(r.stdout + r.stderr)
		if slices.Contains(args, "rawjson") {
			_, log := status(t, r.stderr)
			said.WriteString(log)
		}
	}
	turn := func(s string) string {
		return strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' {
				return 'a' + (c-'a'+13)%26
			}
			return c
		}, s)
	}
	if got := read(t, filepath.Join(dir, "one", "turned")); got != turn(first) {
		t.Errorf("target one had %q, want %q", turn(got), first)
	}
	if got := read(t, filepath.Join(dir, "two", "turned")); got != turn(second+"\n") {
		t.Errorf("target two had %q, want %q", turn(got), second)
	}
	if !strings.Contains(said.String(), "***") {
		t.Error("the steps printed nothing, or it was not hidden but dropped")
	}
	state := ""
	for _, e := range w.env {
		if v, ok := strings.CutPrefix(e, "XBUILD_STATE_DIR="); ok {
			state = v
		}
	}
	searched := 0
	look := func(name string, data []byte) {
		searched++
		for _, s := range []string{first, second} {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s has a secret", name)
			}
		}
	}
	look("what was printed", said.Bytes())
	for _, root := range []string{dir, state} {
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || p == filepath.Join(dir, "secrets", "key") {
				return nil // gone, or no file
			}
			data, err := os.ReadFile(p)
			if err == nil {
				look(p, data)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if searched < 20 {
		t.Errorf("only %d files were looked at", searched)
	}
}
