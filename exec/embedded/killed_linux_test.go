package embedded_test

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xbuild/xbuild/exec/embedded"
)

func TestKilledDuringStep(t *testing.T) {
	cfg := newConfig(t)
	addr := ensure(t, cfg)
	pid := statusOf(t, cfg).PID
	const token = "xbuild-test-killed"
	failed := inBackground(t, addr, token, "60s")
	cgroup := cgroupOf(t, token)
	if len(cgroupFolders(t, cgroup)) == 0 {
		t.Errorf("no control group %s is to be seen", cgroup)
	}

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("the build succeeded although its daemon was killed")
	}
	eventually(t, "the daemon is gone", func() bool { return gone(pid) })
	assertNothingLeft(t, cfg, token)

	addr = ensure(t, cfg)
	if again := statusOf(t, cfg).PID; again == pid {
		t.Errorf("the same process %d serves after it was killed", pid)
	}
	if _, err := runStep(t.Context(), t, addr, runtime.GOARCH, "write", "/result", "again"); err != nil {
		t.Errorf("the build after the kill: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.StateDir, "buildkit-v1/runc-*/executor/*/config.json")); len(left) > 0 {
		t.Errorf("bundles of killed steps are left: %v", left)
	}
	if err := embedded.Stop(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if left := cgroupFolders(t, cgroup); len(left) > 0 {
		t.Errorf("control groups are left: %v", left)
	}
}

// Whenever the daemon, or the client that starts it, is killed, the next client gets a daemon.
func TestKilledWhileStarting(t *testing.T) {
	for _, victim := range []string{"daemon", "client"} {
		t.Run(victim, func(t *testing.T) {
			cfg := newConfig(t)
			for delay := time.Duration(0); delay < 150*time.Millisecond; delay += 12 * time.Millisecond {
				client := newClient(cfg)
				if err := client.Start(); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the daemon's process is there", func() bool { return len(processesWith(t, cfg.StateDir)) > 0 })
				time.Sleep(delay)
				pid := client.Process.Pid
				if victim == "daemon" {
					pid, _ = strconv.Atoi(processesWith(t, cfg.StateDir)[0])
				}
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				_ = client.Wait() // it may have been too late to stop it
				ensure(t, cfg)
				eventually(t, "one daemon is left", func() bool { return len(processesWith(t, cfg.StateDir)) == 1 })
				if err := embedded.Stop(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestFrozenDaemon(t *testing.T) {
	cfg := newConfig(t)
	t.Parallel() // it takes as long as a client is patient
	ensure(t, cfg)
	pid := statusOf(t, cfg).PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.Ensure(t.Context(), cfg)
	if want := "does not answer; end it with kill -9 " + strconv.Itoa(pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Ensure = %v, want %q", err, want)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ensure(t, cfg)
}

// cgroupOf returns the name of the control group below which the daemon keeps those of its steps.
func cgroupOf(t *testing.T, token string) string {
	t.Helper()
	name := regexp.MustCompile("/(xbuild-[0-9a-f]+)/")
	for _, pid := range processesWith(t, token) {
		text, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
		if m := name.FindSubmatch(text); err == nil && m != nil {
			return string(m[1])
		}
	}
	t.Fatal("the step is in no control group of the daemon's")
	return ""
}

func cgroupFolders(t *testing.T, name string) (dirs []string) {
	t.Helper()
	for _, parent := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		found, err := filepath.Glob(filepath.Join(parent, name))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, found...)
	}
	return dirs
}

func TestTwoSignalsCutOffABuild(t *testing.T) {
	cfg := newConfig(t)
	addr := ensure(t, cfg)
	pid := statusOf(t, cfg).PID
	const token = "xbuild-test-signals"
	failed := inBackground(t, addr, token, "60s")

	for range 2 {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := <-failed; err == nil {
		t.Error("the build succeeded although it was cut off")
	}
	eventually(t, "the daemon is gone", func() bool { return gone(pid) })
	if took := drained(t, cfg); took >= embedded.DrainLimit {
		t.Errorf("the second signal was not heeded: the daemon drained for %s", took)
	}
	assertNothingLeft(t, cfg, token)
}

// drained is how long the daemon waited for the builds that were running, by its own log: a busy machine may delay this test.
func drained(t *testing.T, cfg embedded.Config) time.Duration {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(cfg.StateDir, "daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(message string) time.Time {
		m := regexp.MustCompile(`time="([^"]+)" level=\w+ msg="` + message).FindSubmatch(log)
		if m == nil {
			t.Fatalf("the daemon did not log %q:\n%s", message, log)
		}
		out, err := time.Parse(time.RFC3339, string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	return at("cutting off").Sub(at("stopping"))
}

func TestStopLetsABuildFinish(t *testing.T) {
	cfg := newConfig(t)
	addr := ensure(t, cfg)
	const token = "xbuild-test-drain"
	done := inBackground(t, addr, token, "2s")
	if err := embedded.Stop(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the build that was running: %v", err)
	}
}

// A client that comes while the daemon drains gets a new one as soon as the old one has let go.
func TestStartWhileAnotherDrains(t *testing.T) {
	cfg := newConfig(t)
	addr := ensure(t, cfg)
	old := statusOf(t, cfg).PID
	done := inBackground(t, addr, "xbuild-test-successor", "2s")
	if err := syscall.Kill(old, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	ensure(t, cfg)
	if err := <-done; err != nil {
		t.Errorf("the build that was running: %v", err)
	}
	if pid := statusOf(t, cfg).PID; pid == old {
		t.Errorf("process %d still serves", pid)
	}
}
