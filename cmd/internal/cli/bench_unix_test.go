//go:build unix

package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manyTargets writes a build file of n targets for three platforms over a fifth as many Dockerfiles.
func manyTargets(b *testing.B, n int) {
	b.Helper()
	b.Chdir(b.TempDir())
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	var names []string
	var hcl strings.Builder
	hcl.WriteString("platforms \"all\" { list = [\"linux/amd64\", \"linux/arm64\", \"linux/arm/v7\"] }\n")
	for i := range n {
		dir := fmt.Sprintf("s%d", i/5)
		names = append(names, fmt.Sprintf("%q", fmt.Sprint("t", i)))
		fmt.Fprintf(&hcl, "target \"t%d\" {\n  context = %q\n  target = \"image\"\n  platforms = platforms.all\n  args = { LEVEL = \"%d\" }\n"+
			"  tags = [\"r.example/t%d:1\"]\n  output = [\"type=registry\"]\n}\n", i, dir, i/5, i)
		write(filepath.Join(dir, "Dockerfile"), fmt.Sprintf("FROM golang:1.26-alpine AS base\nWORKDIR /src/%d\nCOPY go.mod go.sum ./\nRUN go mod download\n"+
			"FROM base AS build\nARG LEVEL\nCOPY . .\nRUN go build -tags level$LEVEL -o /out/app ./cmd/app\n"+
			"FROM alpine:3.22 AS image\nRUN apk add --no-cache ca-certificates\nCOPY --from=build /out/app /usr/bin/app\n", i/5))
	}
	fmt.Fprintf(&hcl, "group \"default\" { targets = [%s] }\n", strings.Join(names, ", "))
	write("xbuild.hcl", hcl.String())
}

// cpu is the processor time that this process has taken: unlike the clock, it does not count what other programs do.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPlan plans 1000 targets for three platforms and says how many times as long as printing the same file it takes,
// by the clock and in processor time.
func BenchmarkPlan(b *testing.B) {
	manyTargets(b, 1000)
	took := func(args ...string) (wall, busy time.Duration) {
		a := &app{out: io.Discard, err: io.Discard, getenv: os.Getenv}
		root := a.root()
		root.SetArgs(args)
		began, before := time.Now(), cpu()
		if err := root.ExecuteContext(b.Context()); err != nil {
			b.Fatal(err)
		}
		return time.Since(began), cpu() - before
	}
	var printWall, printBusy, planWall, planBusy time.Duration
	for b.Loop() {
		w, c := took("print")
		printWall, printBusy = printWall+w, printBusy+c
		w, c = took("plan", "--offline")
		planWall, planBusy = planWall+w, planBusy+c
	}
	b.ReportMetric(float64(planWall)/float64(printWall), "x-print")
	b.ReportMetric(float64(planBusy)/float64(printBusy), "x-print-cpu")
	b.ReportMetric(float64(planWall.Milliseconds())/float64(b.N), "ms/plan")
}
