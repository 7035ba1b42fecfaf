package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A cross-compiled result is the emulated one bit for bit, but for the causes in this list. It is closed: a difference of another
// cause is a mistake in the conditions of plan/dockerfile. Each test below shows one cause at work, and nothing else.
//
//   - time: the build itself asks for the time, or for other things that no two builds agree on;
//   - level: for linux/amd64/v3 and its like the compiler is told the level, which an emulated build has no way to know;
//   - image data: a file like /etc/ssl/certs is taken from a build stage, and the base's images for two architectures hold
//     different versions of it.

// difference builds a target both ways for one platform, with caches of their own, and returns the folders.
func difference(t *testing.T, dir, platform string) (auto, emulated string) {
	t.Helper()
	w := fresh(t, dir)
	if n := w.plan(t, "auto").Counts["cross"]; n == 0 {
		t.Fatal("nothing is cross-compiled, so nothing is shown")
	}
	w.ok(t, "run", "auto", "--platform", platform, "--progress", "plain")
	fresh(t, dir).ok(t, "run", "emulated", "--platform", platform, "--progress", "plain")
	folder := strings.ReplaceAll(platform, "/", "_")
	return filepath.Join(dir, "auto", folder), filepath.Join(dir, "emulated", folder)
}

// bothWays is a project with the targets auto and emulated.
func bothWays(t *testing.T, dockerfile, platforms string) string {
	t.Helper()
	return project(t, map[string]string{
		"Dockerfile": dockerfile,
		"go.mod":     "module example.com/app\n\ngo 1.21\n",
		"main.go":    "package main\n\nvar built string\n\nfunc main() { println(built) }\n",
		"xbuild.hcl": `target "auto" {
  platforms = ` + platforms + `
  output    = ["auto"]
}
target "emulated" {
  inherits = ["auto"]
  strategy = "emulate"
  output   = ["emulated"]
}
`})
}

func TestDifferenceOfTime(t *testing.T) {
	dir := bothWays(t, `FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod main.go .
RUN go build -o /out/same . && go build -ldflags "-X main.built=$(date +%s)" -o /out/stamped .
FROM scratch
COPY --from=build /out/ /
`, `["linux/amd64", "linux/arm64"]`)
	auto, emulated := difference(t, dir, "linux/amd64")
	if sum(t, auto+"/same") != sum(t, emulated+"/same") {
		t.Error("a program without the time in it differs, too")
	}
	if sum(t, auto+"/stamped") == sum(t, emulated+"/stamped") {
		t.Error("the time makes no difference, so it need not be in the list")
	}
}

func TestDifferenceOfLevel(t *testing.T) {
	dir := bothWays(t, `FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod main.go .
RUN go build -o /out/app .
FROM scratch
COPY --from=build /out/ /
`, `["linux/amd64", "linux/amd64/v3", "linux/arm64"]`)
	auto, emulated := difference(t, dir, "linux/amd64/v3")
	for path, want := range map[string]bool{auto: true, emulated: false} {
		if got := strings.Contains(read(t, path+"/app"), "GOAMD64=v3"); got != want {
			t.Errorf("%s/app is told the level: %v, want %v", path, got, want)
		}
	}
	auto, emulated = difference(t, dir, "linux/amd64")
	if sum(t, auto+"/app") != sum(t, emulated+"/app") {
		t.Error("the baseline differs, too")
	}
}

func TestDifferenceOfImageData(t *testing.T) {
	// The image must be one of docker.io's golang for its Go to be known; the tag is no other test's.
	tag := bed(t).Mirror + "/library/golang:1.26-data"
	base := project(t, map[string]string{
		"Dockerfile": "FROM golang:1.26-alpine\nARG TARGETARCH\nRUN mkdir -p /etc/ssl/certs && echo $TARGETARCH > /etc/ssl/certs/which\n",
		"xbuild.hcl": "target \"default\" {\n  platforms = [\"linux/amd64\", \"linux/arm64\"]\n  tags = [\"" + tag + "\"]\n  output = [\"type=registry\"]\n}\n",
	})
	external(t, base).ok(t, "run", "--progress", "plain")
	dir := bothWays(t, `FROM golang:1.26-data AS build
WORKDIR /src
COPY go.mod main.go .
RUN CGO_ENABLED=0 go build -o /out/app .
FROM scratch
COPY --from=build /etc/ssl/certs/ /certs/
COPY --from=build /out/ /
`, `["linux/amd64", "linux/arm64"]`)
	auto, emulated := difference(t, dir, "linux/arm64")
	if sum(t, auto+"/app") != sum(t, emulated+"/app") {
		t.Error("the program differs, too")
	}
	for path, want := range map[string]string{auto: "amd64\n", emulated: "arm64\n"} {
		if got, err := os.ReadFile(path + "/certs/which"); string(got) != want {
			t.Errorf("%s/certs/which is %q (%v), want %q", path, got, err, want)
		}
	}
}
