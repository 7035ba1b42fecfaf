package embedded_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
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

func TestBuildAndStop(t *testing.T) {
	cfg := newConfig(t)
	if info := statusOf(t, cfg); info.Running {
		t.Fatalf("runs before it was started: %v", info)
	}
	addr := ensure(t, cfg)
	dir, err := runStep(t.Context(), t, addr, runtime.GOARCH, "write", "/result", "by a step")
	if err != nil {
		t.Fatalf("the build: %v", err)
	}
	for name, want := range map[string]string{"made": "by a file operation", "result": "by a step"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	if st, err := os.Stat(filepath.Join(dir, "made")); err != nil || st.Mode() != 0o640 {
		t.Errorf("made: %v, %v; the umask of the caller must not reach images", st.Mode(), err)
	}

	info := statusOf(t, cfg)
	if !info.Running || "unix://"+info.Socket != addr || info.Idle != embedded.DefaultIdle || !strings.HasPrefix(info.BuildKit, "v0.") {
		t.Errorf("Status = %+v", info)
	}
	if st, err := os.Stat(info.Socket); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v; want mode 0600", st, err)
	}
	if err := embedded.Stop(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon is gone", func() bool { return gone(info.PID) })
	if _, err := os.Stat(info.Socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	assertNothingLeft(t, cfg, "")
	if err := embedded.Stop(t.Context(), cfg); err != nil {
		t.Errorf("Stop without a daemon: %v", err)
	}
}

func TestOneDaemonForManyClients(t *testing.T) {
	cfg := newConfig(t)
	const clients = 20
	outputs := make([]bytes.Buffer, clients)
	cmds := make([]*exec.Cmd, clients)
	for i := range cmds {
		cmds[i] = newClient(cfg)
		cmds[i].Stdout, cmds[i].Stderr = &outputs[i], &outputs[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("client %d: %v: %s", i, err, outputs[i].String())
		}
	}
	log, err := os.ReadFile(filepath.Join(cfg.StateDir, "daemon.log"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(log, []byte("ready on ")); n != 1 {
		t.Errorf("%d daemons became ready, want 1", n)
	}
	if pids := processesWith(t, cfg.StateDir); len(pids) != 1 {
		t.Errorf("daemon processes: %v, want one", pids)
	}
}

func TestStopsWhenIdle(t *testing.T) {
	cfg := newConfig(t)
	cfg.Idle = 500 * time.Millisecond
	addr := ensure(t, cfg)
	pid := statusOf(t, cfg).PID
	// A step that takes longer is no idleness.
	if _, err := runStep(t.Context(), t, addr, runtime.GOARCH, "sleep", "2s"); err != nil {
		t.Fatalf("the build: %v", err)
	}
	eventually(t, "the daemon is gone", func() bool { return gone(pid) })
	assertNothingLeft(t, cfg, "")
	ensure(t, cfg)
}

func TestSettingsOfARunningDaemon(t *testing.T) {
	cfg := newConfig(t)
	addr := ensure(t, cfg)
	first := statusOf(t, cfg).PID
	done := inBackground(t, addr, "xbuild-test-settings", "3s")

	writeFile(t, cfg.ConfigFile, "[registry.\"example.test\"]\n  http = true\n")
	ensure(t, cfg)
	if pid := statusOf(t, cfg).PID; pid != first {
		t.Errorf("a daemon that was building was replaced")
	}
	if err := <-done; err != nil {
		t.Fatalf("the build: %v", err)
	}
	second := first
	// For a moment the daemon may not know yet that the build's client is gone.
	eventually(t, "a daemon with old settings and nothing to do is replaced", func() bool {
		ensure(t, cfg)
		second = statusOf(t, cfg).PID
		return second != first
	})
	t.Setenv("https_proxy", "http://proxy.example.test:3128")
	ensure(t, cfg)
	third := statusOf(t, cfg).PID
	if third == second {
		t.Errorf("a daemon with another proxy and nothing to do was kept")
	}
	ensure(t, cfg)
	if pid := statusOf(t, cfg).PID; pid != third {
		t.Errorf("a daemon with the right settings was replaced")
	}
}

// The registry configuration is heeded: a mirror that is a listener of the test gets the question for the image.
func TestMirrorIsAsked(t *testing.T) {
	cfg := newConfig(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 4096)
		n, _ := conn.Read(buf)
		asked <- string(buf[:n])
		_, _ = conn.Write([]byte("HTTP/1.1 500 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	}()
	host := listener.Addr().String()
	writeFile(t, cfg.ConfigFile, "[registry.\"image.example.test\"]\n  mirrors = [\""+host+"\"]\n[registry.\""+host+"\"]\n  http = true\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	addr := ensure(t, cfg)
	go func() { failed <- pull(ctx, t, addr, "image.example.test/some/image:tag") }()
	select {
	case request := <-asked:
		if !strings.HasPrefix(request, "HEAD /v2/some/image/manifests/tag?ns=image.example.test ") {
			t.Errorf("the mirror was asked %q", request)
		}
	case err := <-failed:
		t.Fatalf("the pull failed before the mirror was asked: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("the mirror was not asked")
	}
	cancel()
}

// What stops the daemon from starting is the error of the client, not only a line in a log.
func TestStartFailureIsPassedBack(t *testing.T) {
	cfg := newConfig(t)
	if err := os.Mkdir(filepath.Join(cfg.StateDir, "buildkit-v1"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"runc-overlayfs", "runc-native"} {
		writeFile(t, filepath.Join(cfg.StateDir, "buildkit-v1", folder), "no folder")
	}
	_, err := embedded.Ensure(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "cannot start") || !strings.Contains(err.Error(), "/buildkit-v1/runc-") {
		t.Errorf("Ensure = %v, want the daemon's reason", err)
	}
	eventually(t, "nothing runs", func() bool { return len(processesWith(t, cfg.StateDir)) == 0 })
}

func TestLongStatePath(t *testing.T) {
	cfg := newConfig(t)
	cfg.StateDir = filepath.Join(cfg.StateDir, strings.Repeat("long", 30))
	t.Cleanup(func() {
		if err := embedded.Stop(context.Background(), cfg); err != nil {
			t.Error(err)
		}
	})
	addr := ensure(t, cfg)
	socket := strings.TrimPrefix(addr, "unix://")
	if !strings.HasPrefix(socket, "/run/xbuild/") {
		t.Errorf("the socket is %s, want it below /run/xbuild", socket)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(socket)) })
	if _, err := runStep(t.Context(), t, addr, runtime.GOARCH, "write", "/result", "x"); err != nil {
		t.Errorf("the build: %v", err)
	}
	if err := embedded.Stop(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}

func TestHoldsNothingOfItsCaller(t *testing.T) {
	cfg := newConfig(t)
	t.Setenv("NO_PROXY", "example.test")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	// A client that was itself given an open file beyond the usual three, as make and CI runners do.
	client := newClient(cfg)
	client.Env = append(client.Env, "AWS_SECRET_ACCESS_KEY=hunter2")
	client.ExtraFiles = []*os.File{os.Stdin, os.Stdin, write}
	if out, err := client.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write.Close()
	proc := filepath.Join("/proc", strconv.Itoa(statusOf(t, cfg).PID))
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(environ); strings.Contains(text, "hunter2") || !strings.Contains(text, "NO_PROXY=example.test") ||
		!strings.Contains(text, "TMPDIR="+cfg.StateDir) {
		t.Errorf("the environment is %q", text)
	}
	log := filepath.Join(cfg.StateDir, "daemon.log")
	for link, want := range map[string]string{"cwd": "/", "fd/0": "/dev/null", "fd/1": log, "fd/2": log} {
		if got, err := os.Readlink(filepath.Join(proc, link)); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", link, got, err, want)
		}
	}
	// A caller that waits for the end of a pipe which the daemon holds waits for the daemon.
	if err := read.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := read.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the daemon holds a pipe of its caller: %v", err)
	}
	if sid, err := os.ReadFile(filepath.Join(proc, "stat")); err != nil || strings.Fields(string(sid[bytes.LastIndexByte(sid, ')'):]))[5] != "0" {
		t.Errorf("the daemon has a terminal: %s, %v", sid, err)
	}
}

// An ordinary user who lacks something for a user namespace is told what.
func TestWithoutSubordinateIDs(t *testing.T) {
	cfg := newConfig(t) // only root can become another user
	if _, err := exec.LookPath("newuidmap"); err != nil {
		missing(t, "newuidmap is not installed: apt-get install -y uidmap")
	}
	cmd := newClient(cfg)
	cmd.Env = append(cmd.Env, "XBUILD_CONFIG=", "XBUILD_STATE_DIR=/xbuild-test-none", "HOME=/xbuild-test-none")
	const nobodyElse = 54321
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyElse, Gid: nobodyElse}}
	out, err := cmd.CombinedOutput()
	want := regexp.MustCompile(`^user 54321 has no subordinate ids, .* add this line to /etc/subuid and to /etc/subgid: 54321:[0-9]+:65536\n$`)
	if err == nil || !want.Match(out) {
		t.Errorf("%v, %q, want %s", err, out, want)
	}
}

func TestLogIsMovedAside(t *testing.T) {
	cfg := newConfig(t)
	log := filepath.Join(cfg.StateDir, "daemon.log")
	writeFile(t, log, strings.Repeat("x", 11<<20))
	ensure(t, cfg)
	if st, err := os.Stat(log); err != nil || st.Size() > 1<<20 {
		t.Errorf("the log: %v, %v; want a new one", st, err)
	}
	if st, err := os.Stat(log + ".1"); err != nil || st.Size() != 11<<20 {
		t.Errorf("the old log: %v, %v", st, err)
	}
}

// Leftovers of a daemon that had no namespace of its own are cleared at a start, without touching what was mounted.
func TestLeftoversAreCleared(t *testing.T) {
	cfg := newConfig(t)
	bundle := filepath.Join(cfg.StateDir, "buildkit-v1/runc-overlayfs/executor/leftover")
	source := t.TempDir()
	writeFile(t, filepath.Join(source, "precious"), "x")
	for _, dir := range []string{filepath.Join(bundle, "rootfs"), filepath.Join(cfg.StateDir, "buildkit-v1/tmp/buildkit-mount1")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount(source, dir, "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		// The daemon clears its own view; this one is the test's.
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	}
	writeFile(t, filepath.Join(bundle, "config.json"), "{}")
	addr := ensure(t, cfg)
	if _, err := os.Stat(filepath.Join(source, "precious")); err != nil {
		t.Fatalf("what a leftover mount showed was removed: %v", err)
	}
	pid := statusOf(t, cfg).PID
	view, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "mountinfo"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(view), "\n") { // those of other daemons on this machine are there too
		if strings.Contains(l, cfg.StateDir) && (strings.Contains(l, "/executor/leftover") || strings.Contains(l, "/buildkit-mount1 ")) {
			t.Errorf("the daemon still sees the leftover mount %s", l)
		}
	}
	if _, err := runStep(t.Context(), t, addr, runtime.GOARCH, "write", "/result", "x"); err != nil {
		t.Errorf("the build: %v", err)
	}
}
