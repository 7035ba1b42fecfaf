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
