package plan_test

import (
	"fmt"
	"testing"

	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
	"github.com/xbuild/xbuild/schema/diag"
)

// manyTargets is n targets for three platforms over a fifth as many Dockerfiles in the shape of a Go service; every tenth
// target links to its neighbour. alike says that targets of one Dockerfile give it the same arguments.
func manyTargets(n int, alike bool) goldenCase {
	c := goldenCase{cfg: &schema.Config{Dir: "/p", Files: []string{"xbuild.hcl"}, Sources: diag.Sources{}},
		facts: plan.Facts{Dockerfiles: map[string]plan.DockerfileFact{}, Images: map[string]plan.Image{}, Local: schema.MustPlatform("linux/amd64"),
			Nodes: []plan.NodeFact{{Name: "hub", Platforms: []schema.Platform{schema.MustPlatform("linux/amd64"), schema.MustPlatform("linux/arm64"), schema.MustPlatform("linux/arm/v7")}}}}}
	platforms := []schema.Platform{schema.MustPlatform("linux/amd64"), schema.MustPlatform("linux/arm64"), schema.MustPlatform("linux/arm/v7")}
	for i := range max(n/5, 1) {
		c.facts.Dockerfiles[fmt.Sprintf("/p/s%d/Dockerfile", i)] = plan.DockerfileFact{Text: fmt.Sprintf(`# syntax=docker/dockerfile:1
FROM golang:1.26-alpine AS base
WORKDIR /src/%d
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

FROM base AS build
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=bind,target=. go build -ldflags "-X main.version=$VERSION" -o /out/app ./cmd/app

FROM base AS test
RUN go test ./...

FROM alpine:3.22 AS image
RUN apk add --no-cache ca-certificates
COPY --from=build /out/app /usr/bin/app
ENTRYPOINT ["/usr/bin/app"]
`, i)}
	}
	for _, ref := range []string{"golang:1.26-alpine", "alpine:3.22"} {
		c.facts.Images[ref] = plan.Image{Ref: ref, Digest: "sha256:0", Platforms: []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}, Env: []string{"PATH=/bin"}}
	}
	for i := range n {
		dir := fmt.Sprintf("/p/s%d", i/5)
		version := i
		if alike {
			version = 1
		}
		t := &schema.Target{Name: fmt.Sprintf("t%d", i), Platforms: platforms, Range: *diag.LineRange("xbuild.hcl", i+1)}
		t.Base = schema.Build{Context: dir, Dockerfile: dir + "/Dockerfile", Stage: "image", Strategy: schema.Auto,
			Args: map[string]string{"VERSION": fmt.Sprint(version)}, Tags: []string{fmt.Sprintf("r.example/t%d:1", i)},
			Outputs: []schema.Output{{Type: schema.OutputImage, Push: true}}}
		if i%10 == 1 {
			t.Base.Contexts = map[string]string{"dep": fmt.Sprintf("target:t%d", i-1)}
		}
		c.cfg.Targets = append(c.cfg.Targets, t)
	}
	return c
}

// BenchmarkMake plans targets for three platforms. The time for one target must not grow with their number.
func BenchmarkMake(b *testing.B) {
	for _, alike := range []bool{false, true} {
		for _, n := range []int{100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", map[bool]string{false: "different", true: "alike"}[alike], n), func(b *testing.B) {
				c := manyTargets(n, alike)
				req := plan.Request{Targets: targetNames(c.cfg)}
				for b.Loop() {
					if p, diags := plan.Make(c.cfg, req, c.facts); p == nil || diags.HasErrors() {
						b.Fatal(diags)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/target")
			})
		}
	}
}
