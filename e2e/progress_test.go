package e2e

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// watched is a project with one target for two platforms and one that fails.
func watched(t *testing.T) string {
	t.Helper()
	return project(t, map[string]string{"xbuild.hcl": `
target "files" {
  platforms = ["linux/amd64", "linux/arm64"]
  output    = ["out"]
}
target "bad" {
  dockerfile-inline = "FROM alpine:3.22\nRUN for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do echo line $i; done; exit 3\n"
}
`, "Dockerfile": "FROM --platform=$BUILDPLATFORM alpine:3.22 AS run\nRUN echo from the step > /said; cat /said\nFROM scratch\nARG TARGETARCH\nCOPY --from=run /said /$TARGETARCH\n"})
}

// events reads what --progress json prints. Every line must be an object.
func events(t *testing.T, stderr string) map[string][]map[string]any {
	t.Helper()
	out := map[string][]map[string]any{}
	for line := range strings.Lines(stderr) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		typ, _ := e["type"].(string)
		out[typ] = append(out[typ], e)
	}
	return out
}

// TestProgressJSON: the events tell of every stage, of a failure and of what was written, also when nothing has to run; results go
// to standard output as always.
func TestProgressJSON(t *testing.T) {
	for name, world := range map[string]func(*testing.T, string) *world{"external": external, "embedded": embedded} {
		t.Run(name, func(t *testing.T) {
			w := world(t, watched(t))
			r := w.ok(t, "run", "files", "--progress", "json")
			if !strings.HasPrefix(r.stdout, "files: 2 files in out, ") {
				t.Errorf("standard output: %s", r.stdout)
			}
			e := events(t, r.stderr)
			stages := len(e["run"][0]["stages"].([]any))
			finals := slices.DeleteFunc(slices.Clone(e["stage"]), func(e map[string]any) bool { return e["final"] == false })
			if stages != 3 || len(finals) != stages {
				t.Errorf("%d stages, %d with a final state", stages, len(finals))
			}
			if end := e["end"]; len(end) != 1 || end[0]["ok"] != true || len(e["output"]) != 1 || e["output"][0]["files"] != 2.0 {
				t.Errorf("end %v, output %v", end, e["output"])
			}
			if log := e["step-log"]; len(log) == 0 || log[0]["lines"].([]any)[0] != "from the step" {
				t.Errorf("the log is %v", log)
			}

			bad := events(t, w.code(t, 1, "run", "bad", "--progress", "json").stderr)
			f := bad["failure"]
			if len(f) != 1 || f[0]["exit_code"] != 3.0 || f[0]["line"] != 2.0 || len(f[0]["log"].([]any)) != 20 || f[0]["log_lines"] != 25.0 {
				t.Errorf("failure %v", f)
			}
			if end := bad["end"]; len(end) != 1 || end[0]["ok"] != false {
				t.Errorf("end %v", end)
			}
			plain := w.code(t, 1, "run", "bad", "--progress", "quiet").stderr
			if !strings.Contains(plain, "log, the last 20 of 25 lines; --progress plain prints all:\n    line 6\n") {
				t.Errorf("the end of the log: %s", plain)
			}
		})
	}
}

// status reads what --progress rawjson prints: every line is a message of BuildKit's stream. It gives the names of the steps and
// all that they printed.
func status(t *testing.T, stderr string) (steps []string, log string) {
	t.Helper()
	for line := range strings.Lines(stderr) {
		var m struct {
			Vertexes []struct{ Digest, Name string }
			Statuses []struct{ ID, Vertex string }
			Logs     []struct{ Vertex, Data string }
			Warnings []struct{ Vertex string }
		}
		dec := json.NewDecoder(strings.NewReader(line))
		if err := dec.Decode(&m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if len(m.Vertexes)+len(m.Statuses)+len(m.Logs)+len(m.Warnings) == 0 {
			t.Errorf("an empty message: %s", line)
		}
		for _, v := range m.Vertexes {
			if !slices.Contains(steps, v.Name) {
				steps = append(steps, v.Name)
			}
		}
		for _, l := range m.Logs {
			data, err := base64.StdEncoding.DecodeString(l.Data)
			if err != nil {
				t.Fatal(err)
			}
			log += string(data)
		}
	}
	return steps, log
}

// TestProgressRawJSON: BuildKit's own stream has the steps under the names that docker buildx shows, and the export.
func TestProgressRawJSON(t *testing.T) {
	for name, world := range map[string]func(*testing.T, string) *world{"external": external, "embedded": embedded} {
		t.Run(name, func(t *testing.T) {
			w := world(t, watched(t))
			steps, log := status(t, w.ok(t, "run", "files", "--progress", "rawjson", "--no-cache").stderr)
			for _, want := range []string{"[linux/amd64 run 2/2] RUN echo from the step > /said; cat /said", "exporting to client directory"} {
				if !slices.Contains(steps, want) {
					t.Errorf("no step %q in %q", want, steps)
				}
			}
			if !strings.Contains(log, "from the step\n") {
				t.Errorf("the log is %q", log)
			}
		})
	}
}

// TestMetadataFile: the file has Bake's keys, and the digest of each platform's image.
func TestMetadataFile(t *testing.T) {
	reg := bed(t).Registry
	dir := project(t, map[string]string{"xbuild.hcl": `
target "_" { dockerfile-inline = "FROM alpine:3.22\nCOPY xbuild.hcl /\n" }
target "one" {
  inherits = ["_"]
  tags     = ["` + reg + `/meta/one:1", "` + reg + `/meta/one:2"]
  output   = ["type=registry"]
}
target "many" {
  inherits  = ["_"]
  platforms = ["linux/amd64", "linux/arm64"]
  tags      = ["` + reg + `/meta/many:1"]
  output    = ["type=registry"]
}
target "files" {
  inherits = ["_"]
  output   = ["out"]
}
`})
	w := external(t, dir)
	read1 := func(env ...string) map[string]map[string]any {
		x := &world{dir: w.dir, env: append(slices.Clone(w.env), env...)}
		x.ok(t, "run", "one", "many", "files", "--metadata-file", "meta.json")
		var m map[string]map[string]any
		if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "meta.json"))), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := read1()
	image := []string{"containerimage.descriptor", "containerimage.digest", "image.name", "xbuild.platforms"}
	for target, want := range map[string][]string{
		"one":   append([]string{"buildx.build.provenance", "containerimage.config.digest"}, image...),
		"many":  append([]string{"buildx.build.provenance/linux/amd64", "buildx.build.provenance/linux/arm64"}, image...),
		"files": {"buildx.build.provenance"},
	} {
		if got := slices.Sorted(maps.Keys(m[target])); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", target, got, want)
		}
	}
	digest, err := pulled(t, reg+"/meta/many:1", nil).Digest()
	if err != nil || m["many"]["containerimage.digest"] != digest.String() || m["one"]["image.name"] != reg+"/meta/one:1,"+reg+"/meta/one:2" {
		t.Errorf("the index is %s (%v), the file says %v", digest, err, m)
	}
	index, err := pulled(t, reg+"/meta/many:1", nil).IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range index.Manifests {
		got, _ := m["many"]["xbuild.platforms"].(map[string]any)[d.Platform.String()].(map[string]any)
		if got["containerimage.digest"] != d.Digest.String() {
			t.Errorf("%s has %s, the file says %v", d.Platform, d.Digest, got)
		}
	}
	if p, _ := json.Marshal(m["one"]["buildx.build.provenance"]); !strings.Contains(string(p), "pkg:docker/alpine@3.22") || strings.Contains(string(p), "llbDefinition") {
		t.Errorf("provenance: %s", p)
	}
	if p, _ := json.Marshal(read1("BUILDX_METADATA_PROVENANCE=max")["one"]); !strings.Contains(string(p), "llbDefinition") {
		t.Errorf("all of the provenance: %s", p)
	}
	if m := read1("BUILDX_METADATA_PROVENANCE=disabled"); len(m["files"]) > 0 {
		t.Errorf("without provenance: %v", m["files"])
	}
}
