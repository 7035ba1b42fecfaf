package dockerfile

import (
	"strings"
	"testing"
)

// TestCompileCache: where the recipe adds a cache, and where it must not.
func TestCompileCache(t *testing.T) {
	for name, tc := range map[string]struct{ lines, want string }{
		"root":               {"RUN go build -o /out/app .", "target=/root/.cache/go-build"},
		"its own GOCACHE":    {"ENV GOCACHE=/gocache\nRUN go build -o /out/app .", "target=/gocache"},
		"another home":       {"ENV HOME=/home/me\nRUN go build -o /out/app .", "target=/home/me/.cache/go-build"},
		"another user":       {"USER me\nRUN go build -o /out/app .", ""},
		"mounted already":    {"RUN --mount=type=cache,target=/root/.cache/go-build go build -o /out/app .", ""},
		"mounted above":      {"RUN --mount=type=cache,target=/root/.cache go build -o /out/app .", ""},
		"module cache":       {"RUN --mount=type=cache,target=/go/pkg/mod go build -o /out/app .", "target=/root/.cache/go-build"},
		"a layer is there":   {"COPY cache /root/.cache/go-build\nRUN go build -o /out/app .", ""},
		"a layer above":      {"COPY home /root\nRUN go build -o /out/app .", ""},
		"not for download":   {"RUN go mod download\nRUN go build -o /out/app .", "target=/root/.cache/go-build"},
		"other cache folder": {"ENV XDG_CACHE_HOME=/c\nRUN go build -o /out/app .", ""},
	} {
		text := "FROM golang:1.26-alpine AS build\nWORKDIR /src\n" + tc.lines + "\nFROM scratch\nCOPY --from=build /out/app /\n"
		f, in := crossInput(t, text, "")
		groups := Groups(in)
		if len(groups) != 1 || !groups[0].Sound() {
			t.Fatalf("%s: %+v", name, groups)
		}
		rw := f.Cross(in, groups, "project")
		if strings.Contains(rw.Text, "xbuild-go-") {
			t.Errorf("%s: the cache is in the text that users see", name)
		}
		if strings.Count(rw.Built, "\n") != strings.Count(rw.Text, "\n") {
			t.Errorf("%s: the built text has other lines", name)
		}
		added := strings.Count(rw.Built, "--mount=type=cache,id=xbuild-go-")
		if (added == 1) != (tc.want != "") || tc.want != "" && !strings.Contains(rw.Built, tc.want+" ") {
			t.Errorf("%s: want %q in\n%s", name, tc.want, rw.Built)
		}
		if _, d := Parse("Dockerfile", []byte(rw.Built)); d.HasErrors() {
			t.Errorf("%s: %v", name, d)
		}
	}
}
