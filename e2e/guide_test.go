package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/e2e/parts"
)

var desktop = []string{"linux_amd64", "linux_arm64", "darwin_arm64", "windows_amd64"}

// TestGuide is the main promise: the guide's Dockerfile, unmodified, for four platforms, without emulation; in a soak also the same
// programs as by emulation, and how much faster. [TestCorpus] and [TestChecked] compare smaller programs every time.
func TestGuide(t *testing.T) {
	dir := copyExample(t, "guide")
	auto := fresh(t, dir)

	p := auto.plan(t, "binaries")
	for kind, want := range map[string]int{"shared": 1, "cross": 8, "emulated": 0, "native": 0, "opaque": 0} {
		if p.Counts[kind] != want {
			t.Errorf("plan of binaries: %d %s stages, want %d", p.Counts[kind], kind, want)
		}
	}
	for _, s := range p.Stages {
		if want := map[string]string{"base": "shared", "build-client": "cross", "build-server": "cross", "binaries": "assembled"}[s.Stage]; s.Kind != want {
			t.Errorf("plan of binaries: stage %s is %s, want %q", s.Stage, s.Kind, want)
		}
	}
	first := auto.ok(t, "run", "binaries", "--progress", "plain")
	for _, d := range desktop {
		for _, name := range []string{"client", "server"} {
			if got := machine(t, filepath.Join(dir, "bin", d, name)); got != machines[d] {
				t.Errorf("bin/%s/%s is %s, want %s", d, name, got, machines[d])
			}
		}
	}
	// The fast path: no build needed the daemon's Dockerfile frontend.
	if strings.Contains(first.stderr, "by the daemon's frontend") {
		t.Errorf("a build went by the daemon's frontend:\n%s", first.stderr)
	}
	checkSecondRun(t, auto, dir)
	talk(t, filepath.Join(dir, "bin", "linux_arm64"))

	emulated := fresh(t, dir)
	p = emulated.plan(t, "emulated")
	if p.Counts["emulated"] != 3 || p.Counts["cross"] != 0 {
		t.Errorf("plan of emulated: %v, want base, build-client and build-server emulated on linux/arm64", p.Counts)
	}
	if !parts.Soak() {
		return
	}
	slow := emulated.ok(t, "run", "emulated", "--progress", "plain")
	for _, d := range []string{"linux_amd64", "linux_arm64"} {
		for _, name := range []string{"client", "server"} {
			if sum(t, filepath.Join(dir, "bin", d, name)) != sum(t, filepath.Join(dir, "bin-emulated", d, name)) {
				t.Errorf("%s/%s differs between auto and emulate", d, name)
			}
		}
	}
	// The same two platforms by cross-compilation, on a daemon that knows nothing either.
	fast := fresh(t, dir).ok(t, "run", "binaries", "--platform", "linux/amd64,linux/arm64", "--progress", "plain")
	t.Logf("cold: auto, 4 platforms, %.1fs; auto, 2 platforms, %.1fs; emulate, 2 platforms, %.1fs; ratio of the last two %.1f",
		first.wall.Seconds(), fast.wall.Seconds(), slow.wall.Seconds(), slow.wall.Seconds()/fast.wall.Seconds())
}

var summary = regexp.MustCompile(`(?m)^\S+ binaries .* (\d+) stages(?: \(\d+ shared\))?: ([^;\n]*).*$`)

// checkSecondRun: with nothing changed BuildKit takes every stage from the cache, and without --force it is not even asked
// to. No file is touched.
func checkSecondRun(t *testing.T, w *world, dir string) {
	t.Helper()
	before := snapshot(t, filepath.Join(dir, "bin"))
	forced := w.ok(t, "run", "binaries", "--progress", "plain", "--force")
	m := summary.FindStringSubmatch(forced.stderr)
	if m == nil || m[2] != m[1]+" cached" {
		t.Errorf("second run: not every stage was cached:\n%s", forced.stderr)
	}
	again := w.ok(t, "run", "binaries", "--progress", "plain")
	if !strings.Contains(again.stderr, "nothing changed") {
		t.Errorf("third run: something is said to have changed:\n%s", again.stderr)
	}
	if d := diffSnapshots(before, snapshot(t, filepath.Join(dir, "bin"))); d != "" {
		t.Errorf("second run touched %s", d)
	}
	t.Logf("second run: %.2fs through BuildKit, %.2fs without", forced.wall.Seconds(), again.wall.Seconds())
}

// talk runs a server and a client that were built for another architecture, and lets them talk.
func talk(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	greet := func() (greeting string, listened bool) {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))
		server := exec.CommandContext(ctx, filepath.Join(dir, "server"))
		server.Env = []string{"ADDR=" + addr}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { server.Wait(); close(ended) }() // ends by being killed, or because another program has the port
		defer func() { server.Process.Kill(); <-ended }()
		for {
			out, err := exec.CommandContext(ctx, filepath.Join(dir, "client"), "-server", "http://"+addr, "e2e").CombinedOutput()
			if err == nil || ctx.Err() != nil {
				return string(out), true
			}
			select {
			case <-ended:
				return string(out), false
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	got, listened := greet()
	for n := 0; !listened && n < 10; n++ {
		got, listened = greet()
	}
	if got != "hello, e2e, from linux/arm64\n" {
		t.Errorf("client: %q", got)
	}
}

// TestGuideDiff: the change that makes the guide's Dockerfile cross-compile is the one that people make by hand.
func TestGuideDiff(t *testing.T) {
	dir := copyExample(t, "guide")
	w := external(t, dir)
	got := w.ok(t, "plan", "--diff", "binaries").stdout
	golden := filepath.Join("testdata", "guide.diff")
	if os.Getenv("XBUILD_UPDATE") == "1" {
		write(t, golden, got)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("plan --diff differs from %s (XBUILD_UPDATE=1 rewrites it):\n%s\nwant:\n%s", golden, got, want)
	}
	if r := w.ok(t, "plan", "--diff", "emulated"); r.stdout != "" {
		t.Errorf("plan --diff of an emulated target prints a change:\n%s", r.stdout)
	}
}

// TestGuideTargets: the other targets of the example.
func TestGuideTargets(t *testing.T) {
	dir := copyExample(t, "guide")
	w := external(t, dir)
	w.ok(t, "run", "lint")
	// One platform of several still gets its own folder.
	w.ok(t, "run", "cross@linux/arm64")
	if got := machine(t, filepath.Join(dir, "bin-cross", "linux_arm64", "server")); got != machines["linux_arm64"] {
		t.Errorf("cross@linux/arm64 gave %s", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "bin-cross", "linux_amd64")); err == nil {
		t.Error("cross@linux/arm64 also wrote linux_amd64")
	}
}
