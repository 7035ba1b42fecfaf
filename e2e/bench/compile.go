package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

// compileRows compare compiling the guide's application from its untouched Dockerfile with other ways to get the same
// programs. xbuild's side is measured once and stands in all rows of the same platforms.
//
// The Go build cache is empty each time, and the daemon is a new one; the base image and the modules are there.
var compileRows = []struct {
	name      string
	platforms []string
	against   map[string]float64 // way -> the ratio allowed
}{
	{"compile/2", []string{"linux/amd64", "linux/arm64"}, map[string]float64{"host": 1.25, "hand-written": 0.70}},
	{"compile/6", []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "darwin/amd64", "darwin/arm64", "windows/amd64"}, map[string]float64{"host": 1.25, "hand-written": 0.70}},
	{"compile/2", []string{"linux/amd64", "linux/arm64"}, map[string]float64{"emulated": 0.15}},
}

// The other ways.
var ways = map[string]string{
	"host":         "go build on the host, one platform after the other",
	"hand-written": "Bake on the Dockerfile that cross-compiles by hand",
	"emulated":     "Bake on the untouched Dockerfile, by emulation",
}

// syntax is the line that names a frontend. Bake's side goes without, and so saves pulling what the daemon has anyway.
const syntax = "# syntax=docker/dockerfile:1\n"

// untouched is the guide's Dockerfile for Bake.
var untouched = strings.NewReplacer(syntax, "")

// handWritten makes it cross-compile, in the way that Docker's documentation shows.
var handWritten = strings.NewReplacer(syntax, "",
	"FROM golang:", "FROM --platform=$BUILDPLATFORM golang:",
	"FROM base AS build-client\n", "FROM base AS build-client\nARG TARGETOS TARGETARCH\n",
	"FROM base AS build-server\n", "FROM base AS build-server\nARG TARGETOS TARGETARCH\n",
	"    go build ", "    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build ")

// isCompile reports whether a row is one of them.
func (r *row) isCompile() bool { return r.platforms != nil }

// compiles adds their rows.
func compiles(add func(row)) {
	for _, c := range compileRows {
		for _, way := range []string{"host", "hand-written", "emulated"} {
			if limit, ok := c.against[way]; ok {
				add(row{name: c.name + "/" + way, what: fmt.Sprintf("the guide's application for %d platforms, against %s", len(c.platforms), ways[way]),
					limit: limit, platforms: c.platforms, way: way})
			}
		}
	}
}

// compile measures one row. Compiling takes long enough for one round to tell.
func (l *lab) compile(ctx context.Context, r *row) (*result, error) {
	res := &result{row: r, flushes: [2]int{-1, -1}}
	src := filepath.Join("..", "examples", "guide")
	own, known := l.compiled[len(r.platforms)]
	if !known {
		var err error
		if own, err = l.inContainers(ctx, src, r.platforms, mine, "xbuild.hcl", nil); err != nil {
			return nil, err
		}
		l.compiled[len(r.platforms)] = own
	}
	res.samples[mine] = []sample{own}
	var other sample
	var err error
	switch r.way {
	case "host":
		other, err = l.onHost(ctx, src, r.platforms)
	case "hand-written":
		other, err = l.inContainers(ctx, src, r.platforms, theirs, "docker-bake.hcl", handWritten)
	default:
		other, err = l.inContainers(ctx, src, r.platforms, theirs, "docker-bake.hcl", untouched)
	}
	res.samples[theirs] = []sample{other}
	return res, err
}

// inContainers builds the application with one of the programs on a daemon of its own, after a first build that brings the
// base image and the modules.
func (l *lab) inContainers(ctx context.Context, src string, platforms []string, p int, file string, edit *strings.Replacer) (sample, error) {
	none := sample{}
	root, err := os.MkdirTemp(l.bed.Dir, "c")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(root)
	dir := filepath.Join(root, "app")
	if err := os.CopyFS(dir, os.DirFS(src)); err != nil {
		return none, err
	}
	if edit != nil {
		text, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
		if err != nil {
			return none, err
		}
		if err := write(filepath.Join(dir, "Dockerfile"), edit.Replace(string(text))); err != nil {
			return none, err
		}
	}
	warm := platforms[:1]
	if edit == untouched { // what is emulated has a base image and modules of its own
		warm = platforms
	}
	if err := write(filepath.Join(dir, file), buildFile(platforms, warm)); err != nil {
		return none, err
	}
	d, err := l.bed.StartDaemon(ctx, root, "")
	if err != nil {
		return none, err
	}
	defer d.Stop()
	prog, err := l.on(ctx, p, d, filepath.Base(root))
	if err != nil {
		return none, err
	}
	for _, target := range []string{"warm", "binaries"} {
		one := *prog
		one.args = append(one.args[:len(one.args):len(one.args)], "-f", file, target)
		s, err := one.run(ctx, &row{}, dir, p)
		if err != nil || target == "binaries" {
			return s, err
		}
	}
	return none, nil
}

// on is a program that uses another daemon.
func (l *lab) on(ctx context.Context, p int, d *parts.Daemon, name string) (*program, error) {
	prog := *l.progs[p]
	env := prog.env[:len(prog.env):len(prog.env)]
	if p == mine {
		prog.env = append(env, "BUILDKIT_HOST="+d.Address)
		return &prog, nil
	}
	prog.env = append(env, "BUILDX_BUILDER="+name)
	create := exec.CommandContext(ctx, prog.path, "create", "--name", name, "--driver", "remote", d.Address)
	create.Env = prog.env
	if out, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("buildx create: %w\n%s", err, out)
	}
	return &prog, nil
}

// buildFile is read the same by both programs.
func buildFile(platforms, warm []string) string {
	return fmt.Sprintf("target \"warm\" {\n  target = \"base\"\n  platforms = %s\n  output = [\"type=cacheonly\"]\n}\n"+
		"target \"binaries\" {\n  target = \"binaries\"\n  platforms = %s\n  output = [\"bin\"]\n}\n", quoted(warm), quoted(platforms))
}

func quoted(list []string) string { return `["` + strings.Join(list, `", "`) + `"]` }

// onHost runs the compiler itself.
func (l *lab) onHost(ctx context.Context, src string, platforms []string) (sample, error) {
	none := sample{}
	root, err := os.MkdirTemp(l.bed.Dir, "h")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(root)
	env := append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOCACHE="+filepath.Join(root, "cache"))
	goTool := func(more []string, args ...string) (sample, error) {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Env = src, append(env[:len(env):len(env)], more...)
		cmd.Stdout = io.Discard
		var said strings.Builder
		cmd.Stderr = &said
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			return none, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, said.String())
		}
		return sample{wall: time.Since(begin), client: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
	}
	if _, err := goTool(nil, "mod", "download"); err != nil {
		return none, err
	}
	var total sample
	for _, p := range platforms {
		part := strings.Split(p, "/")
		s, err := goTool([]string{"GOOS=" + part[0], "GOARCH=" + part[1]}, "build", "-buildvcs=false", "-o", filepath.Join(root, "bin", strings.ReplaceAll(p, "/", "_"))+"/", "./cmd/...")
		if err != nil {
			return none, err
		}
		total.wall, total.client = total.wall+s.wall, total.client+s.client
	}
	return total, nil
}
