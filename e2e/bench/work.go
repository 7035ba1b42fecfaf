package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// work is what both programs build.
type work struct {
	targets int
	// shared puts all targets over one folder of 500 files and one Dockerfile; else each has a folder of its own.
	shared bool
	// whole copies the whole folder of each target, not files by name: such folders cannot travel together.
	whole bool
	// files is the number of files in the context of each target, if not 0.
	files int
	// output is "", "local", "image" or "push".
	output string
	// base builds from an image in the registry, by tag, instead of scratch.
	base bool
	// rich makes targets to be read, not built: with parents, functions, caches and three platforms each.
	rich bool
	// dockerfiles makes that many folders with a Dockerfile for the rich targets, in a file of xbuild's own.
	dockerfiles int
}

const sharedFiles = 500

// generate writes the work into a folder: contexts, Dockerfiles, and the same targets as xbuild.hcl and docker-bake.hcl.
// Outputs and tags differ between the programs, so that neither finds what the other made: files has the name of the build
// file of each. registry is host:port.
func (w work) generate(dir, registry string, files map[string]string) error {
	if w.dockerfiles > 0 {
		return w.planned(dir)
	}
	if w.rich {
		return write(filepath.Join(dir, "docker-bake.hcl"), w.richFile())
	}
	from := "scratch"
	if w.base {
		from = registry + "/base:1"
	}
	var err error
	if w.shared {
		err = w.sharedFolder(dir, from)
	} else {
		err = w.ownFolders(dir, from)
	}
	if err != nil {
		return err
	}
	for prog, file := range files {
		if err := write(filepath.Join(dir, file), w.buildFile(prog, registry)); err != nil {
			return err
		}
	}
	return nil
}

func (w work) ownFolders(dir, from string) error {
	for t := range w.targets {
		at := filepath.Join(dir, fmt.Sprintf("t%d", t))
		text := fmt.Sprintf("FROM %s\nCOPY a.txt b.txt /\n", from)
		if w.whole {
			text = fmt.Sprintf("FROM %s\nCOPY . /src\n", from)
		}
		if w.files > 0 {
			text = fmt.Sprintf("FROM scratch AS all\nCOPY . /src\nFROM %s\nCOPY --from=all /src/a.txt /\n", from)
		}
		if err := write(filepath.Join(at, "Dockerfile"), text); err != nil {
			return err
		}
		for _, f := range []string{"a.txt", "b.txt"} {
			if err := write(filepath.Join(at, f), fmt.Sprintf("%s of %d\n", f, t)); err != nil {
				return err
			}
		}
		for i := range w.files {
			if err := write(filepath.Join(at, fmt.Sprintf("d%d/s%d/f%d.txt", i%20, i/20%10, i)), fmt.Sprintf("file %d\n", i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w work) sharedFolder(dir, from string) error {
	var text strings.Builder
	for t := range w.targets {
		fmt.Fprintf(&text, "FROM %s AS s%d\nCOPY p%d/ /\n\n", from, t, t%100)
	}
	if err := write(filepath.Join(dir, "src", "Dockerfile"), text.String()); err != nil {
		return err
	}
	for i := range sharedFiles {
		if err := write(filepath.Join(dir, "src", fmt.Sprintf("p%d/f%d.txt", i%100, i)), strings.Repeat(fmt.Sprintf("file %d\n", i), 100)); err != nil {
			return err
		}
	}
	return nil
}

// buildFile is the text for one of the programs; it means the same in both languages.
func (w work) buildFile(prog, registry string) string {
	var b, names strings.Builder
	for t := range w.targets {
		fmt.Fprintf(&names, "%q, ", fmt.Sprintf("t%d", t))
		fmt.Fprintf(&b, "target \"t%d\" {\n", t)
		if w.shared {
			fmt.Fprintf(&b, "  context = \"src\"\n  target  = \"s%d\"\n", t)
		} else {
			fmt.Fprintf(&b, "  context = \"t%d\"\n", t)
		}
		switch w.output {
		case "local":
			fmt.Fprintf(&b, "  output = [\"type=local,dest=out-%s/t%d\"]\n", prog, t)
		case "image":
			fmt.Fprintf(&b, "  tags   = [\"bench.test/%s/t%d:1\"]\n  output = [\"type=image\"]\n", prog, t)
		case "push":
			fmt.Fprintf(&b, "  tags   = [\"%s/%s/t%d:1\"]\n  output = [\"type=registry\"]\n", registry, prog, t)
		}
		b.WriteString("}\n")
	}
	return fmt.Sprintf("group \"default\" {\n  targets = [%s]\n}\n%s", names.String(), b.String())
}

// service is a Dockerfile whose first stages are cross-compiled and whose last one is emulated.
const service = `# syntax=docker/dockerfile:1
FROM golang:1.26-alpine AS base
WORKDIR /src/%d
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

FROM base AS build
ARG NAME=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=bind,target=. go build -ldflags "-X main.name=$NAME" -o /out/app ./cmd/app

FROM base AS test
RUN go test ./...

FROM alpine:3.22 AS image
RUN apk add --no-cache ca-certificates
COPY --from=build /out/app /usr/bin/app
ENTRYPOINT ["/usr/bin/app"]
`

// planned writes the Dockerfiles, and the rich file with several targets on each of them.
func (w work) planned(dir string) error {
	for i := range w.dockerfiles {
		if err := write(filepath.Join(dir, fmt.Sprintf("service/%d/Dockerfile", i)), fmt.Sprintf(service, i)); err != nil {
			return err
		}
	}
	return write(filepath.Join(dir, "xbuild.hcl"), w.richFile())
}

// richFile is the text of a build file that takes some reading.
func (w work) richFile() string {
	var b, names strings.Builder
	b.WriteString(`variable "REGISTRY" { default = "registry.example.org" }
variable "TAG" { default = "latest" }
function "tags" {
  params = [name, version]
  result = ["${REGISTRY}/${name}:${version}", "${REGISTRY}/${lower(name)}:${replace(version, ".", "-")}"]
}
target "_base" {
  args      = { GO = "1.26", TAG = TAG }
  platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
  labels    = { "org.example" = "yes" }
}
target "_cached" {
  inherits = ["_base"]
  cache-to = ["type=inline"]
}
`)
	for t := range w.targets {
		folder := t
		if w.dockerfiles > 0 {
			folder = t % w.dockerfiles
		}
		fmt.Fprintf(&names, "%q, ", fmt.Sprintf("t%d", t))
		fmt.Fprintf(&b, `target "t%[1]d" {
  inherits   = ["_cached"]
  context    = "service/%[2]d"
  tags       = tags("service%[1]d", TAG)
  args       = { NAME = "service%[1]d", NUMBER = format("%%05d", %[1]d) }
  cache-from = ["type=registry,ref=${REGISTRY}/cache:service%[1]d", "${REGISTRY}/cache:main"]
  output     = ["type=image,push=true"]
}
`, t, folder)
	}
	return fmt.Sprintf("%sgroup \"default\" {\n  targets = [%s]\n}\n", b.String(), names.String())
}

// edit changes one source file.
func (w work) edit(dir string, round int) error {
	at := filepath.Join(dir, fmt.Sprintf("t%d/a.txt", w.targets/2))
	if w.shared {
		at = filepath.Join(dir, "src/p0/f0.txt")
	}
	return write(at, fmt.Sprintf("edit %d\n", round))
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
