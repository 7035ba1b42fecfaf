package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

func TestMetadataFile(t *testing.T) {
	p := &plan.Plan{Targets: []plan.Target{{Name: "app", Requested: true}, {Name: "files", Requested: true}, {Name: "linked"}}}
	rep := &exec.Report{Outputs: []exec.OutputResult{
		{Target: "files", Type: "local", Dest: "/out"},
		{Target: "app", Type: "image", Digest: "sha256:1", Names: []string{"a:1", "a:2"}, Descriptor: json.RawMessage(`{"size":3}`),
			Platforms: map[string]string{"linux/amd64": "sha256:2", "linux/arm64": "sha256:3"}},
		{Target: "app", Type: "image", Digest: "sha256:2", Config: "sha256:4", Names: []string{"a:1-amd64"}, Platforms: map[string]string{"linux/amd64": "sha256:2"}},
	}}
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
	if len(got) != 2 || len(got["files"]) != 0 || app["containerimage.digest"] != "sha256:1" || app["image.name"] != "a:1,a:2,a:1-amd64" {
		t.Errorf("got %s", text)
	}
	if d := app["xbuild.platforms"].(map[string]any)["linux/arm64"].(map[string]any)["containerimage.digest"]; d != "sha256:3" {
		t.Errorf("linux/arm64 has %v", d)
	}
	if err := writeMetadata(filepath.Join(path, "below"), p, rep); err == nil || !strings.Contains(err.Error(), "metadata file") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".xbuild*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
