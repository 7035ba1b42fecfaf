package e2e

import (
	"debug/buildinfo"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
)

// TestLevels: programs are made for the level of their platform, also where this machine could run them as they are written; the
// variants of an architecture run where it runs; and a platform that no machine runs is built where nothing runs.
func TestLevels(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile": `FROM golang:1.26 AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -o /app .
FROM scratch
COPY --from=build /app /app
`,
		"run.Dockerfile":  "FROM busybox AS run\nRUN uname -m >/machine\nFROM scratch\nCOPY --from=run /machine /\n",
		"wasm.Dockerfile": "FROM scratch\nCOPY main.go /\n",
		".dockerignore":   "xbuild.hcl\n*Dockerfile\nout*\n",
		"go.mod":          "module example.com/levels\n\ngo 1.26\n",
		"main.go":         "package main\n\nfunc main() {}\n",
		"xbuild.hcl": `
target "default" {
  platforms = ["linux/amd64", "linux/amd64/v3", "linux/arm/v7", "linux/arm64/v8.2", "linux/arm64/v9"]
  output    = ["out"]
}

target "variants" {
  dockerfile = "run.Dockerfile"
  platforms  = ["linux/amd64/v2", "linux/arm64/v8.2", "linux/arm64/v9", "linux/arm/v8"]
  output     = ["out-variants"]
}

target "wasm" {
  dockerfile = "wasm.Dockerfile"
  platforms  = ["wasi/wasm", "linux/amd64"]
  output     = ["out-wasm"]
}
`,
	} {
		write(t, filepath.Join(dir, name), text)
	}
	w := fresh(t, dir)
	w.ok(t, "run", "default", "variants", "wasm", "--progress", "plain")
	for platform, want := range map[string][2]string{"linux_amd64": {"GOAMD64", "v1"}, "linux_amd64_v3": {"GOAMD64", "v3"}, "linux_arm_v7": {"GOARM", "7"},
		"linux_arm64_v8.2": {"GOARM64", "v8.2"}, "linux_arm64_v9": {"GOARM64", "v9.0"}} {
		info, err := buildinfo.ReadFile(filepath.Join(dir, "out", platform, "app"))
		if err != nil {
			t.Errorf("%s: %v", platform, err)
			continue
		}
		got := map[string]string{}
		for _, s := range info.Settings {
			got[s.Key] = s.Value
		}
		if got[want[0]] != want[1] {
			t.Errorf("%s: %s=%s, want %s", platform, want[0], got[want[0]], want[1])
		}
	}
	for platform, want := range map[string]string{"linux_amd64_v2": "x86_64\n", "linux_arm64_v8.2": "aarch64\n", "linux_arm64_v9": "aarch64\n", "linux_arm_v8": "armv7l\n"} {
		if got := read(t, filepath.Join(dir, "out-variants", platform, "machine")); got != want {
			t.Errorf("%s runs on %q, want %q", platform, got, want)
		}
	}
	read(t, filepath.Join(dir, "out-wasm", "wasi_wasm", "main.go"))
	records, err := filepath.Glob(filepath.Join(w.value("XBUILD_STATE_DIR"), "runs", "*.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records of one run: %v (%v)", records, err)
	}
	var record struct {
		Version int
		Result  string
		Stages  []struct{ Stage, Kind, Node string }
	}
	if err := json.Unmarshal([]byte(read(t, records[0])), &record); err != nil || record.Version != 1 || record.Result != "done" {
		t.Errorf("the record of the run is %+v (%v)", record, err)
	}
	for stage, kind := range map[string]string{"build": "cross", "run": "emulated"} {
		if !slices.ContainsFunc(record.Stages, func(s struct{ Stage, Kind, Node string }) bool {
			return s.Stage == stage && s.Kind == kind && s.Node != ""
		}) {
			t.Errorf("the record has no %s stage %s: %+v", kind, stage, record.Stages)
		}
	}
}
