package e2e

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSensitiveNowhere: the value of a sensitive variable, which steps print, is in nothing that is printed or written for people and
// programs, neither as it is nor in base64 or URL form, and in no record that BuildKit keeps. What the build makes of it, its own
// files have.
func TestSensitiveNowhere(t *testing.T) {
	const value = "s3nsitive/value+of=1f"
	dir := project(t, map[string]string{"xbuild.hcl": `variable "TOKEN" {
  type      = string
  sensitive = true
}
target "default" {
  context           = "empty"
  args              = { TOKEN = TOKEN, LINK = "https://user:${urlencode(TOKEN)}@example.org", CODED = base64encode(TOKEN) }
  dockerfile-inline = <<EOT
FROM alpine:3.22 AS build
ARG TOKEN LINK CODED
RUN --network=none echo "$TOKEN $LINK $CODED"; echo "$TOKEN" >&2; printf %s "$TOKEN" | tr a-z n-za-m >/turned
FROM scratch
COPY --from=build /turned /
EOT
  output = ["out", "type=oci,dest=image.tar"]
}
`, "empty/x": ""})
	w := embedded(t, dir)
	w.env = append(w.env, "TOKEN="+value)
	var said bytes.Buffer
	for _, args := range [][]string{{"plan"}, {"plan", "--format", "json"}, {"graph", "--format", "html"}, {"list", "variables"},
		{"run", "--progress", "plain", "--metadata-file", "meta.json"}, {"run", "--no-cache"}, {"run", "--no-cache", "--progress", "json"},
		{"run", "--no-cache", "--progress", "rawjson"}, {"run", "--no-cache", "--progress", "github"}} {
		r := w.ok(t, args...)
		said.WriteString(r.stdout + r.stderr)
		if slices.Contains(args, "rawjson") {
			_, log := status(t, r.stderr)
			said.WriteString(log)
		}
	}
	if got := read(t, filepath.Join(dir, "out", "turned")); len(got) != len(value) || got == value {
		t.Errorf("the build got %q", got)
	}
	if !strings.Contains(said.String(), "***") {
		t.Error("the steps printed nothing, or it was not hidden but dropped")
	}
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), base64.StdEncoding.EncodeToString([]byte(value)), base64.URLEncoding.EncodeToString([]byte(value))}
	look := func(name string, data []byte) {
		for _, s := range forms {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s has the value as %s", name, s)
			}
		}
	}
	look("what was printed", said.Bytes())
	looked := 0
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		looked++
		look(p, data)
		return err
	})
	if err != nil || looked < 4 {
		t.Errorf("%d files were looked at, %v", looked, err)
	}
	// What the daemon keeps: its log and its records.
	kept := 0
	err = filepath.WalkDir(w.value("XBUILD_STATE_DIR"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // gone, or no file
		}
		if data, err := os.ReadFile(p); err == nil {
			kept++
			look(p, data)
		}
		return nil
	})
	if err != nil || kept < 20 {
		t.Errorf("%d files of the daemon were looked at, %v", kept, err)
	}
}
