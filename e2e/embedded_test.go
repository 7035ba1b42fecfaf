package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestNoRegistry builds five platforms with the BuildKit inside xbuild and the Go of this machine. No image is involved,
// and no registry could be reached: the only one that is configured does not exist.
func TestNoRegistry(t *testing.T) {
	dir := copyExample(t, "no-registry")
	w := embedded(t, dir)
	for i, e := range w.env {
		if f, ok := strings.CutPrefix(e, "XBUILD_CONFIG="); ok {
			write(t, f+".none", "[registry.\"docker.io\"]\n  mirrors = [\"127.0.0.1:1\"]\n")
			w.env[i] += ".none"
		}
	}
	goroot := "GOROOT=" + runtime.GOROOT()
	first := w.ok(t, "run", "binaries", "--var", goroot, "--allow", "fs.read="+runtime.GOROOT(), "--progress", "plain")
	for slug, want := range machines {
		name := "hello"
		if slug == "windows_amd64" {
			name += ".exe"
		}
		path := filepath.Join(dir, "bin", slug, name)
		if got := machine(t, path); got != want {
			t.Errorf("bin/%s/%s is %s, want %s", slug, name, got, want)
		}
		if !strings.HasPrefix(slug, "linux") {
			continue
		}
		out, err := exec.CommandContext(t.Context(), path).Output() // the foreign ones under QEMU
		if want := "hello from linux/" + strings.Split(slug, "_")[1] + ", "; err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("bin/%s/%s prints %q, %v", slug, name, out, err)
		}
	}
	before := snapshot(t, filepath.Join(dir, "bin"))
	second := w.ok(t, "run", "binaries", "--var", goroot, "--allow", "fs.read="+runtime.GOROOT(), "--progress", "plain")
	if d := diffSnapshots(before, snapshot(t, filepath.Join(dir, "bin"))); d != "" {
		t.Errorf("the second run touched %s", d)
	}
	t.Logf("first run %.1fs, second run %.2fs", first.wall.Seconds(), second.wall.Seconds())

	if r := w.ok(t, "daemon", "status"); !strings.Contains(r.stdout, "running") || strings.Contains(r.stdout, "not running") {
		t.Errorf("daemon status says:\n%s", r.stdout)
	}
	checkStore(t, w)
}

// checkStore: what the daemon keeps can be listed and removed, and what it says can be read.
func checkStore(t *testing.T, w *world) {
	t.Helper()
	var entries []struct {
		Size int64
		Kind string
	}
	list := func(args ...string) {
		t.Helper()
		entries = nil
		if err := json.Unmarshal([]byte(w.ok(t, args...).stdout), &entries); err != nil {
			t.Fatal(err)
		}
	}
	list("daemon", "du", "--format", "json")
	kept := len(entries)
	if kept == 0 || entries[0].Size == 0 {
		t.Errorf("daemon du lists %v", entries)
	}
	if r := w.ok(t, "daemon", "du"); !strings.Contains(r.stdout, "source.local") || !strings.Contains(r.stdout, "in all: ") {
		t.Errorf("daemon du says:\n%s", r.stdout)
	}
	if list("daemon", "prune", "--unused", "24h", "--format", "json"); len(entries) > 0 {
		t.Errorf("prune removed %d entries that were just used", len(entries))
	}
	if list("daemon", "prune", "--format", "json"); len(entries) == 0 {
		t.Error("prune removed nothing")
	}
	if list("daemon", "du", "--format", "json"); len(entries) >= kept {
		t.Errorf("%d of %d entries are still there", len(entries), kept)
	}
	w.code(t, 2, "daemon", "prune", "--keep", "a lot")
	if r := w.ok(t, "daemon", "logs"); !strings.Contains(r.stdout, "ready on") {
		t.Errorf("daemon logs says:\n%s", r.stdout)
	}
}

// TestEmbeddedGuide: base images come through the mirror that the configuration names, and foreign steps run under QEMU.
func TestEmbeddedGuide(t *testing.T) {
	dir := copyExample(t, "guide")
	w := embedded(t, dir)
	w.ok(t, "run", "binaries", "--platform", "linux/arm64", "--progress", "plain")
	if got := machine(t, filepath.Join(dir, "bin", "linux_arm64", "client")); got != machines["linux_arm64"] {
		t.Errorf("client is %s", got)
	}
	write(t, filepath.Join(dir, "emu", "Dockerfile"), "FROM alpine:3.22 AS b\nRUN uname -m > /machine\nFROM scratch\nCOPY --from=b /machine /\n")
	write(t, filepath.Join(dir, "emu", "xbuild.hcl"), `target "default" {
  platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
  output    = ["out"]
}
`)
	w.dir = filepath.Join(dir, "emu")
	w.ok(t, "run")
	for slug, want := range map[string]string{"linux_amd64": "x86_64", "linux_arm64": "aarch64", "linux_arm_v7": "armv7l"} {
		got, err := os.ReadFile(filepath.Join(w.dir, "out", slug, "machine"))
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s: uname says %q, want %q (%v)", slug, got, want, err)
		}
	}
}

// TestSudo: what is built under sudo belongs to the user who called it.
func TestSudo(t *testing.T) {
	dir := project(t, map[string]string{
		"Dockerfile": "FROM scratch\nCOPY hello.txt /sub/\n", "hello.txt": "hello\n",
		"xbuild.hcl": "target \"default\" {\n  output = [\"out\"]\n}\n",
	})
	w := external(t, dir)
	w.env = append(w.env, "SUDO_UID=4321", "SUDO_GID=1234", "SUDO_USER=somebody")
	w.ok(t, "run")
	for _, p := range []string{"out", "out/sub", "out/sub/hello.txt"} {
		info, err := os.Stat(filepath.Join(dir, p))
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if got := fmt.Sprint(st.Uid, ":", st.Gid); got != "4321:1234" {
			t.Errorf("%s belongs to %s", p, got)
		}
	}
}
