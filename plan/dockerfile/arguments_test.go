package dockerfile

import (
	"testing"

	"github.com/xbuild/xbuild/schema"
)

// TestArguments: arguments of the build that the Dockerfile does not ask for must not reach the lines that pinning adds.
func TestArguments(t *testing.T) {
	build := schema.MustPlatform("linux/amd64")
	for _, tc := range []struct {
		pre, name, value, code string
	}{
		{"", "GOARCH", "amd64", "target-already-set"},
		{"", "GOARCH", "arm64", ""},
		{"", "CGO_ENABLED", "1", "target-already-set"},
		{"", "TARGETARCH", "amd64", "target-changed"},
		{"", "TARGETVARIANT", "v9", "target-changed"},
		{"ARG GOARCH\n", "GOARCH", "amd64", "target-already-set"},
		{"ARG CGO_ENABLED\n", "CGO_ENABLED", "1", "cgo-enabled"},
		{"ARG CGO_ENABLED=1\n", "CGO_ENABLED", "0", ""},
		{"", "VERSION", "1", ""},
	} {
		text := "FROM golang:1.26-alpine AS build\n" + tc.pre + "RUN go build -o /out/app .\nFROM scratch\nCOPY --from=build /out/app /\n"
		f, d := Parse("Dockerfile", []byte(text))
		if d.HasErrors() {
			t.Fatal(d)
		}
		g, d := f.Resolve(Env{Build: build, Target: schema.MustPlatform("linux/arm64"), Context: "/ctx", Args: map[string]string{tc.name: tc.value}})
		if d.HasErrors() {
			t.Fatal(d)
		}
		in := CrossInput{Graphs: []*Graph{g}, Build: build, Foreign: func(p schema.Platform) bool { return p != build },
			Offers: func(string) (bool, bool) { return true, true }}
		if got := firstCode(in); got != tc.code {
			t.Errorf("%q with %s=%s: %q, want %q", tc.pre, tc.name, tc.value, got, tc.code)
		}
	}
}
