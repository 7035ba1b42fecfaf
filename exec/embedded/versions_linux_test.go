package embedded_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec/embedded"
)

// otherVersion is a program that is a client, and a daemon, of another protocol or store.
func otherVersion(t *testing.T, protocol, format string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "xbuild-of-protocol-"+protocol+"-format-"+format)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, path); err == nil {
		return path
	}
	data, err := os.ReadFile(self) // on another file system
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// ensureWith lets another version ensure its daemon, which is ended with the test, and returns its address.
func ensureWith(t *testing.T, program string, cfg embedded.Config) string {
	t.Helper()
	out, err := newClientOf(program, cfg).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		for _, pid := range processesWith(t, filepath.Base(program)) {
			_ = exec.Command("kill", pid).Run() // it may have ended since
		}
		eventually(t, "the other version's daemon is gone", func() bool { return len(processesWith(t, filepath.Base(program))) == 0 })
	})
	return strings.TrimSpace(string(out))
}

// A daemon of another protocol gives up the store that both use, and what it has built is not built again.
func TestAnotherProtocol(t *testing.T) {
	cfg := newConfig(t)
	next := otherVersion(t, "next", "buildkit-v1")
	addr := ensure(t, cfg)
	first := statusOf(t, cfg).PID
	dir, err := runStep(t.Context(), t, addr, runtime.GOARCH, "time", "/result")
	if err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(filepath.Join(dir, "result"))
	if err != nil {
		t.Fatal(err)
	}

	nextAddr := ensureWith(t, next, cfg)
	if !strings.HasSuffix(nextAddr, "/xbuild-next.sock") {
		t.Errorf("the other version serves on %s", nextAddr)
	}
	if !gone(first) {
		t.Errorf("process %d still holds the store", first)
	}
	if dir, err = runStep(t.Context(), t, nextAddr, runtime.GOARCH, "time", "/result"); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(dir, "result")); err != nil || string(again) != string(made) {
		t.Errorf("the other version built again: %s, then %s (%v)", made, again, err)
	}
	ensure(t, cfg)
	if pids := processesWith(t, filepath.Base(next)); len(pids) > 0 {
		t.Errorf("the other version still holds the store: %v", pids)
	}
}

// A build of another version is not disturbed; the client waits for it.
func TestAnotherProtocolThatBuilds(t *testing.T) {
	cfg := newConfig(t)
	addr := ensure(t, cfg)
	done := inBackground(t, addr, "xbuild-test-versions", "3s")
	ensureWith(t, otherVersion(t, "next", "buildkit-v1"), cfg)
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the build that was running: %v", err)
		}
	case <-time.After(time.Second):
		t.Error("the store was taken from a daemon that is building")
	}
}

// Stores of different formats are used at the same time.
func TestAnotherFormat(t *testing.T) {
	cfg := newConfig(t)
	addr := ensure(t, cfg)
	other := ensureWith(t, otherVersion(t, "next", "buildkit-next"), cfg)
	for _, a := range []string{addr, other} {
		if _, err := runStep(t.Context(), t, a, runtime.GOARCH, "write", "/result", "x"); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, folder := range []string{"buildkit-v1", "buildkit-next"} {
		if _, err := os.Stat(filepath.Join(cfg.StateDir, folder, "cache.db")); err != nil {
			t.Error(err)
		}
	}
}
