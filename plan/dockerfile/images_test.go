package dockerfile

import "testing"

func TestGolangImages(t *testing.T) {
	for _, tc := range []struct {
		ref                  string
		official, noCompiler bool
		since18              bool
	}{
		{"golang:1.26-alpine", true, true, true},
		{"golang:alpine", true, true, true},
		{"golang:1-alpine3.22", true, true, true},
		{"golang:1.26rc1-alpine", true, true, true},
		{"golang:1.20.3-alpine3.17", true, true, true},
		{"golang:1.19-alpine", true, false, true},
		{"golang:1.9-alpine", true, false, false},
		{"golang:1.17", true, false, false},
		{"golang:latest", true, false, true},
		{"golang", true, false, true},
		{"golang:bookworm", true, false, true},
		{"golang:1.26-alpine@sha256:00", true, true, true},
		{"golang@sha256:00", true, false, false},
		{"golang:alpine@sha256:00", true, false, false},
		{"docker.io/library/golang:1.26-alpine", true, true, true},
		{"public.ecr.aws/docker/library/golang:1.26-alpine", true, true, true},
		{"mcr.microsoft.com/oss/go/microsoft/golang:1.26-alpine", false, false, false},
		{"me/golang:1.26-alpine", false, false, false},
		{"golang:1.26-alpine-gcc", true, false, true},
		{"golang:1.26-my-alpine", true, false, true},
	} {
		if got := official(tc.ref) == "golang"; got != tc.official {
			t.Errorf("official(%s) = %v", tc.ref, got)
		}
		if got := noCompiler(tc.ref); got != tc.noCompiler {
			t.Errorf("noCompiler(%s) = %v", tc.ref, got)
		}
		if got := goSince(tc.ref, 18); got != tc.since18 {
			t.Errorf("goSince(%s, 18) = %v", tc.ref, got)
		}
	}
}
