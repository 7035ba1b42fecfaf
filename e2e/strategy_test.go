package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vouched is a C program whose build hides behind a script, and a web page whose build does not depend on the platform. The
// page's stage keeps a random number, so that equal numbers prove one run.
func vouched(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), `FROM gcc:12-cross AS base
WORKDIR /src

FROM base AS build-hello
COPY hello.c build.sh ./
RUN sh build.sh

FROM busybox AS web
COPY page.html /
RUN sed s/NAME/world/ /page.html >/index.html && cat /proc/sys/kernel/random/uuid >/run-id

FROM scratch
COPY --from=build-hello /src/hello /
COPY --from=web /index.html /run-id /
`)
	write(t, filepath.Join(dir, "build.sh"), "set -e\n${CC:-gcc} -static -O2 -DGREETING=\"\\\"$(cat /prepared 2>/dev/null || echo hello)\\\"\" -o hello hello.c\n")
	write(t, filepath.Join(dir, "hello.c"), "#include <stdio.h>\nint main(void) { puts(GREETING \" from C\"); return 0; }\n")
	write(t, filepath.Join(dir, "page.html"), "hello, NAME\n")
	write(t, filepath.Join(dir, "xbuild.hcl"), `
strategy "gcc" {
  mode       = "cross"
  native     = ["base", "web"]
  fork       = ["build-*"]
  env        = { CC = "${platform.triple}-gcc" }
  run_before = ["echo hello for ${platform.arch} > /prepared"]
}

# Vouches for what is not so: nothing tells build.sh which compiler to call.
strategy "wrong" {
  native = ["base", "web"]
  fork   = ["build-*"]
}

target "default" {
  platforms = ["linux/amd64", "linux/arm64"]
  strategy  = strategy.gcc
  output    = ["out"]
}

target "wrong" {
  inherits = ["default"]
  strategy = strategy.wrong
  output   = ["out-wrong"]
}

target "emulated" {
  inherits = ["default"]
  strategy = "emulate"
  output   = ["out-emulated"]
}
`)
	return dir
}

// TestVouched: a strategy block makes a C program cross-compile, with the compiler of each platform, and a web stage run once.
func TestVouched(t *testing.T) {
	dir := vouched(t)
	w := fresh(t, dir)
	p := w.plan(t)
	for kind, want := range map[string]int{"shared": 1, "cross": 2, "emulated": 0, "native": 0} { // base has no RUN
		if p.Counts[kind] != want {
			t.Errorf("plan: %d %s stages, want %d", p.Counts[kind], kind, want)
		}
	}
	w.ok(t, "run", "--progress", "plain")
	out := func(of, platform, name string) string { return filepath.Join(dir, of, platform, name) }
	for _, arch := range []string{"amd64", "arm64"} {
		hello := out("out", "linux_"+arch, "hello")
		if got := machine(t, hello); got != machines["linux_"+arch] {
			t.Errorf("%s is %s, want %s", hello, got, machines["linux_"+arch])
		}
		says(t, hello, "hello for "+arch+" from C", arch)
	}
	if a, b := sum(t, out("out", "linux_amd64", "run-id")), sum(t, out("out", "linux_arm64", "run-id")); a != b {
		t.Error("the web stage ran once for each platform, want once for both")
	}
	// By emulation each platform has its own run, and a program that does the same but for what run_before prepared.
	w.ok(t, "run", "emulated", "--progress", "plain")
	says(t, out("out-emulated", "linux_arm64", "hello"), "hello from C", "arm64")
	if a, b := sum(t, out("out-emulated", "linux_amd64", "run-id")), sum(t, out("out-emulated", "linux_arm64", "run-id")); a == b {
		t.Error("the web stage ran once under emulate, so the number proves nothing")
	}
}

// TestVouchedWrongly: what is vouched for is checked all the same, and the error names who vouches.
func TestVouchedWrongly(t *testing.T) {
	dir := vouched(t)
	r := external(t, dir).code(t, 1, "run", "wrong", "--progress", "plain")
	if want := "strategy.wrong vouches for stage build-hello"; !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "hello of target wrong is ELF amd64, but was built for linux/arm64") {
		t.Errorf("stderr does not say what is wrong (%q):\n%s", want, tail(r.stderr, 20))
	}
	if _, err := os.Stat(filepath.Join(dir, "out-wrong")); err == nil {
		t.Error("something was written")
	}
}

// TestOptional: a platform that fails, and one that the base lacks, are missing in folder and index; exit code and report say so.
func TestOptional(t *testing.T) {
	tag := bed(t).Registry + "/optional:e2e"
	dir := project(t, map[string]string{
		"Dockerfile": "FROM alpine:3.22\nRUN case $(uname -m) in aarch64) exit 3;; esac; uname -m >/machine\n",
		"xbuild.hcl": `target "default" {
  platforms = ["linux/amd64", "linux/arm64", "linux/s390x"]
  optional  = platform.arch != "amd64"
  tags      = ["` + tag + `"]
  output    = ["out", "type=registry"]
}
`})
	w := external(t, dir)
	r := w.code(t, 5, "run", "--progress", "plain")
	for _, want := range []string{"warning: RUN case $(uname -m)", "Target default is not built for linux/s390x: alpine:3.22 is needed for linux/s390x",
		"xbuild: default is without the optional linux/s390x (cannot be built here), linux/arm64 (failed)"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	files := snapshot(t, filepath.Join(dir, "out"))
	for name := range files {
		if !strings.HasPrefix(name, "linux_amd64/") {
			t.Errorf("out has %s", name)
		}
	}
	if _, ok := files["linux_amd64/machine"]; !ok {
		t.Error("out lacks linux_amd64/machine")
	}
	m, err := pulled(t, tag, nil).IndexManifest()
	if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Platform.String() != "linux/amd64" {
		t.Errorf("the index has %v (%v), want linux/amd64 only", m, err)
	}
	if got := w.plan(t); len(got.Stages) != 2 {
		t.Errorf("the plan has %d stages, want one for each platform that the base has", len(got.Stages))
	}
}
