package dockerfile

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/xbuild/xbuild/schema"
)

// crossInput resolves a file for linux/amd64 and linux/arm64 on an amd64 node without facts about images.
func crossInput(t *testing.T, text, stage string) (*File, CrossInput) {
	t.Helper()
	f, d := Parse("Dockerfile", []byte(text))
	if d.HasErrors() {
		t.Fatal(d)
	}
	build := schema.MustPlatform("linux/amd64")
	in := CrossInput{Build: build, Foreign: func(p schema.Platform) bool { return !build.Executes(p) },
		Offers: func(string) (bool, bool) { return false, false }}
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		g, d := f.Resolve(Env{Build: build, Target: schema.MustPlatform(p), Stage: stage, Context: "/ctx"})
		if d.HasErrors() {
			t.Fatal(d)
		}
		in.Graphs = append(in.Graphs, g)
	}
	return f, in
}

// TestRefusals: every Dockerfile of the corpus is refused with its own code, and its minimal sound twin is accepted.
func TestRefusals(t *testing.T) {
	files, err := filepath.Glob("testdata/cross/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/images/*.txtar") // their base images are not made for the end-to-end suite
	files = append(files, more...)
	if err != nil || len(files) < 20 {
		t.Fatalf("%d cases in testdata/cross, want at least 20 (%v)", len(files), err)
	}
	codes := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]string{}
			for _, f := range ar.Files {
				part[f.Name] = string(f.Data)
			}
			code, stage := strings.TrimSpace(part["code"]), strings.TrimSpace(part["target"])
			codes[code] = true
			_, in := crossInput(t, part["Dockerfile"], stage)
			if got := firstCode(in); got != code {
				t.Errorf("wrong one: refused with %q, want %q\n%v", got, code, Groups(in))
			}
			f, in := crossInput(t, part["twin"], stage)
			groups := Groups(in)
			var sound []Group
			for _, g := range groups {
				switch {
				case g.Sound():
					sound = append(sound, g)
				case g.Problems[0].Code != "final-run":
					t.Errorf("twin: refused: %+v", g.Problems)
				}
			}
			if len(sound) == 0 {
				t.Fatal("twin: no group is crossed")
			}
			checkRewrite(t, f, in, sound)
		})
	}
	if len(codes) < 20 {
		t.Errorf("the corpus has %d codes, want at least 20", len(codes))
	}
}

// firstCode is the reason that a user is told for the first group that is refused for more than a RUN in what is shipped.
func firstCode(in CrossInput) string {
	code := ""
	for _, g := range Groups(in) {
		if !g.Sound() && (code == "" || code == "final-run") {
			code = g.Problems[0].Code
		}
	}
	return code
}

// checkRewrite: the edit parses, moves nothing of the user's, and leaves no foreign RUN in the groups.
func checkRewrite(t *testing.T, f *File, in CrossInput, sound []Group) {
	t.Helper()
	rw := f.Cross(in, sound, "")
	nf, d := Parse("Dockerfile", []byte(rw.Text))
	if d.HasErrors() {
		t.Fatalf("the rewritten file does not parse: %v\n%s", d, rw.Text)
	}
	old, now := strings.Split(string(f.Text), "\n"), strings.Split(rw.Text, "\n")
	for i, l := range now {
		o := old[rw.Lines[i]-1]
		inserted := (strings.HasPrefix(l, "ARG ") || strings.HasPrefix(l, "RUN mkdir -p ") && strings.Contains(l, "ln -sfn . ")) && l != o
		pinned := strings.Replace(l, " --platform=$BUILDPLATFORM", "", 1) == o
		if !inserted && !pinned && l != o {
			t.Errorf("line %d %q stands for %q", i+1, l, o)
		}
	}
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		g, d := nf.Resolve(Env{Build: in.Build, Target: schema.MustPlatform(p), Stage: in.Graphs[0].Result.Name, Context: "/ctx"})
		if d.HasErrors() {
			t.Fatal(d)
		}
		for _, grp := range sound {
			for _, i := range grp.Stages {
				if g.Reached[i] && g.Nodes[i].Platform != in.Build {
					t.Errorf("stage %s still runs on %s", g.Nodes[i].Title(), g.Nodes[i].Platform)
				}
			}
		}
	}
}

// TestStages: shapes of several stages that one RUN cannot show.
func TestStages(t *testing.T) {
	const final = "FROM scratch\nCOPY --from=build /out/app /\n"
	for name, tc := range map[string]struct{ text, code string }{
		"data of a foreign stage":            {"FROM alpine AS web\nRUN echo hi > /page\nFROM golang:1.26-alpine AS build\nCOPY --from=web /page /src/page\nRUN go build -o /out/app .\n" + final, ""},
		"programs of a foreign stage":        {"FROM alpine AS web\nRUN echo hi > /page\nFROM golang:1.26-alpine AS build\nCOPY --from=web /page /usr/bin/\nRUN go build -o /out/app .\n" + final, "foreign-input"},
		"a mount of programs":                {"FROM alpine AS web\nRUN echo hi > /page\nFROM golang:1.26-alpine AS build\nRUN --mount=from=web,target=/usr/local/bin go build -o /out/app .\n" + final, "foreign-input"},
		"a mount of data":                    {"FROM alpine AS web\nRUN echo hi > /page\nFROM golang:1.26-alpine AS build\nRUN --mount=from=web,target=/src/web go build -o /out/app .\n" + final, ""},
		"a folder on PATH":                   {"FROM golang:1.26-alpine AS build\nENV PATH=/tools:$PATH\nCOPY --from=busybox /bin/busybox /tools/go\nRUN go build -o /out/app .\n" + final, "foreign-input"},
		"a name that a COPY uses":            {"FROM golang:1.26-alpine AS build\nRUN go build -o /out/app .\nCOPY x$GOARCH /out/\n" + final, "target-name-used"},
		"a name that a child stage uses":     {"FROM golang:1.26-alpine AS base\nRUN go build -o /out/app .\nFROM base AS build\nWORKDIR /x/${TARGETARCH}\n" + final, "target-name-used"},
		"a name used before":                 {"FROM golang:1.26-alpine AS build\nWORKDIR /x/${TARGETARCH}\nRUN go build -o /out/app .\n" + final, ""},
		"a sibling's sources":                {"FROM golang:1.26-alpine AS base\nFROM base AS src\nCOPY . /src\nFROM base AS build\nCOPY --from=src /src /src\nRUN go build -o /src/app .\nFROM scratch\nCOPY --from=build /src /\n", ""},
		"a sibling's machine files":          {"FROM golang:1.26-alpine AS base\nFROM base AS src\nCOPY . /src\nFROM base AS build\nCOPY --from=src /bin /src\nRUN go build -o /src/app .\nFROM scratch\nCOPY --from=build /src /\n", "copies-tree"},
		"files of a pinned stage":            {"FROM --platform=$BUILDPLATFORM alpine AS web\nRUN echo hi > /page\nFROM golang:1.26-alpine AS build\nCOPY --from=web /page /src/page\nRUN go build -o /out/app .\n" + final, ""},
		"files of a sibling":                 {"FROM golang:1.26-alpine AS base\nFROM base AS deps\nRUN go mod download\nFROM base AS build\nCOPY --from=deps /go/pkg /go/pkg\nRUN go build -o /out/app .\n" + final, ""},
		"a sibling's program":                {"FROM golang:1.26-alpine AS base\nFROM base AS tool\nRUN go build -o /out/tool .\nFROM base AS build\nCOPY --from=tool /out/tool /usr/bin/tool\nRUN go build -o /out/app .\n" + final, "product-reused"},
		"a folder with a sibling's program":  {"FROM golang:1.26-alpine AS base\nFROM base AS tool\nRUN go build -o /out/tool .\nFROM base AS build\nCOPY --from=tool / /t\nRUN go build -o /out/app .\n" + final, "product-reused"},
		"another build platform":             {"ARG BUILDPLATFORM=linux/386\nFROM golang:1.26-alpine AS build\nRUN go build -o /out/app .\n" + final, "buildplatform-changed"},
		"nothing to compile":                 {"FROM node AS build\nRUN touch /out/app\n" + final, "no-recipe"},
		"the image's GOPATH":                 {"FROM golang:1.26-alpine AS build\nWORKDIR $GOPATH/src/app\nRUN go build -o bin/app . && cp bin/app $GOPATH/bin/app\nFROM scratch\nCOPY --from=build /go/bin/app /\n", ""},
		"Go from the context":                {"FROM debian AS build\nADD go.tar.gz /usr/local/\nRUN CGO_ENABLED=0 /usr/local/go/bin/go build -o /out/app .\n" + final, "toolchain-unknown"},
		"a heredoc for an interpreter":       {"FROM golang:1.26-alpine AS build\nRUN <<EOF python3\nimport os\nEOF\nRUN go build -o /out/app .\n" + final, "script"},
		"another go":                         {"FROM golang:1.26-alpine AS build\nCOPY tools/go /usr/local/bin/\nRUN go build -o /out/app .\n" + final, "toolchain-changed"},
		"a cache among the sources":          {"FROM golang:1.26-alpine AS build\nWORKDIR /src\nRUN --mount=type=cache,target=/src/data go build -o /out/app .\n" + final, "foreign-input"},
		"a hidden cache among sources":       {"FROM golang:1.26-alpine AS build\nWORKDIR /src\nRUN --mount=type=cache,target=/src/.cache go build -o /out/app .\n" + final, ""},
		"a link in the folder of go install": {"FROM golang:1.26-alpine AS build\nENV GOPATH=/x\nRUN go install ./cmd/app\nFROM scratch\nCOPY --from=build /x/bin/ /\n", "copies-tree"},
	} {
		_, in := crossInput(t, tc.text, "")
		groups := Groups(in)
		got := ""
		for _, g := range groups {
			if g.compiles || tc.code == "no-recipe" {
				if !g.Sound() {
					got = g.Problems[0].Code
				}
			}
		}
		if got != tc.code {
			t.Errorf("%s: %q, want %q", name, got, tc.code)
		}
	}
}

func TestTakeOut(t *testing.T) {
	fs := newFiles(false)
	fs.products = []product{{Path: "/out/app"}, {Path: "/dist", Dir: true}, {Path: "/src/bin/x"}, {Path: "/usr/local/bin/tool"}, {Path: "/usr/sbin", Dir: true}, {Path: "/mixed/app"}}
	fs.write("/src", false, false)
	fs.write("/mixed", false, false)
	fs.write("/mixed/tool", false, true)
	fs.write("/etc/config", false, true)
	for source, want := range map[string]string{
		"/out/app": "", "/out": "", "/out/": "", "/out/*": "", "out/app": "", "/dist": "", "/dist/a": "",
		"/src/bin/x": "", "/src/bin": "", "/src": "", "/src/static": "", "/": "copies-tree", "/etc/config": "foreign-file",
		"/mixed/app": "", "/mixed": "copies-tree", "/mixed/a*": "copies-tree", "/usr/sbin/x": "output-unknown", "/etc/passwd": "",
		"/out/a*": "", "/out/*/a*": "copies-tree", "/nowhere": "foreign-file", "/usr/local/bin/tool": "", "/usr/local/bin": "copies-tree",
	} {
		if code, reason := fs.take(source); code != want {
			t.Errorf("take(%q) = %q (%s), want %q", source, code, reason, want)
		}
	}
}

func TestForeignDockerfileFrontends(t *testing.T) {
	for _, tc := range []struct {
		text    string
		args    map[string]string
		foreign bool
		client  bool
	}{
		{"FROM scratch", nil, false, true},
		{"# syntax=docker/dockerfile:1\nFROM scratch", nil, false, true},
		{"# syntax=docker.io/docker/dockerfile:1.7\nFROM scratch", nil, false, true},
		{"# syntax=docker/dockerfile:1.99\nFROM scratch", nil, false, false},
		{"# syntax=docker/dockerfile:1-labs\nFROM scratch", nil, false, false},
		{"# syntax=docker/dockerfile:1@sha256:00\nFROM scratch", nil, false, false},
		{"# syntax=example.com/x\nhello", nil, true, false},
		{"FROM scratch", map[string]string{"BUILDKIT_SYNTAX": "example.com/x"}, true, false},
	} {
		foreign, why := Frontend([]byte(tc.text), tc.args)
		if foreign != tc.foreign || (why == "") != tc.client {
			t.Errorf("%q: foreign=%v why=%q", tc.text, foreign, why)
		}
	}
}
