package cli

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

func TestMetadataFile(t *testing.T) {
	p := &plan.Plan{Targets: []plan.Target{{Name: "app", Requested: true}, {Name: "files", Requested: true}, {Name: "linked"}, {Name: "recorded"}}}
	rep := &exec.Report{Outputs: []exec.OutputResult{
		{Target: "files", Type: "local", Dest: "/out"},
		{Target: "app", Type: "image", Digest: "sha256:1", Names: []string{"a:1", "a:2"}, Descriptor: json.RawMessage(`{"size":3}`),
			Platforms: map[string]string{"linux/amd64": "sha256:2", "linux/arm64": "sha256:3"}},
		{Target: "linked", Type: "image", Digest: "sha256:9"},
		{Target: "app", Type: "image", Digest: "sha256:2", Config: "sha256:4", Names: []string{"a:1-amd64"}, Platforms: map[string]string{"linux/amd64": "sha256:2"}},
	}, Records: []exec.Record{
		{Target: "app", Ref: "default/default/r1", Provenance: map[string]json.RawMessage{"linux/amd64": json.RawMessage(`{"a":1}`), "linux/arm64": json.RawMessage(`{"a":2}`)}},
		{Target: "files", Provenance: map[string]json.RawMessage{"": json.RawMessage(`{"a":3}`)}},
		{Target: "recorded", Provenance: map[string]json.RawMessage{"": json.RawMessage(`{"a":4}`)}}},
		Caches: map[string]string{"app": `{"size":5}`, "linked": `{"size":6}`}}
	path := filepath.Join(t.TempDir(), "meta.json")
	if err := writeMetadata(path, p, rep); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	app := got["app"]
	if len(got) != 3 || len(got["recorded"]) != 1 || len(got["files"]) != 1 || got["files"]["buildx.build.provenance"] == nil || app["containerimage.digest"] != "sha256:1" || app["image.name"] != "a:1,a:2,a:1-amd64" || app["cache.manifest"] != `{"size":5}` {
		t.Errorf("got %s", text)
	}
	if d := app["xbuild.platforms"].(map[string]any)["linux/arm64"].(map[string]any)["containerimage.digest"]; d != "sha256:3" {
		t.Errorf("linux/arm64 has %v", d)
	}
	want := []string{"buildx.build.provenance/linux/amd64", "buildx.build.provenance/linux/arm64", "buildx.build.ref", "cache.manifest", "containerimage.descriptor",
		"containerimage.digest", "image.name", "xbuild.platforms"}
	if keys := slices.Sorted(maps.Keys(app)); !slices.Equal(keys, want) || app["buildx.build.ref"] != "default/default/r1" {
		t.Errorf("keys %v of %s", keys, text)
	}
	if err := writeMetadata(filepath.Join(path, "below"), p, rep); err == nil || !strings.Contains(err.Error(), "metadata file") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".xbuild*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMetadataProvenance(t *testing.T) {
	for v, want := range map[string]string{"": "min", "min": "min", "max": "max", "disabled": "", "false": "", "0": "", "true": "min", "other": "min"} {
		a := &app{getenv: func(k string) string { return map[string]string{"BUILDX_METADATA_PROVENANCE": v}[k] }}
		if got := a.metadataProvenance(); got != want {
			t.Errorf("%q: %q, want %q", v, got, want)
		}
	}
}
