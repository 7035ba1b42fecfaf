//go:build linux

package buildkit

import (
	"context"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The tests run against a buildkitd and a registry of their own.

var bed struct {
	once     sync.Once
	dir      string
	addr     string
	registry string // host:port
	tool     string // folder with a static program for linux on this machine
	problem  string
	stop     []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for i := len(bed.stop) - 1; i >= 0; i-- {
		bed.stop[i]()
	}
	os.Exit(code)
}

// dial connects to the daemon of the test bed.
func dial(t *testing.T) *Backend {
	t.Helper()
	bed.once.Do(startBed)
	if bed.problem != "" {
		if os.Getenv("XBUILD_TEST_REQUIRE_ALL") == "1" {
			t.Fatal(bed.problem)
		}
		t.Skip(bed.problem)
	}
	b, err := Dial(t.Context(), bed.addr, DialOptions{Name: "test", DockerConfig: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func startBed() {
	buildkitd := os.Getenv("BUILDKITD")
	if buildkitd == "" {
		buildkitd, _ = osexec.LookPath("buildkitd")
	}
	registry, _ := osexec.LookPath("docker-registry")
	_, noRunc := osexec.LookPath("runc")
	switch {
	case runtime.GOOS != "linux" || os.Geteuid() != 0:
		bed.problem = "needs root on Linux"
	case buildkitd == "":
		bed.problem = "needs buildkitd: go install github.com/moby/buildkit/cmd/buildkitd@v0.34.2, or set BUILDKITD"
	case registry == "" || noRunc != nil:
		bed.problem = "needs a registry and a runtime: apt-get install -y docker-registry runc"
	}
	if bed.problem != "" {
		return
	}
	if err := setUp(buildkitd, registry); err != nil {
		bed.problem = err.Error()
	}
}

func setUp(buildkitd, registry string) error {
	dir, err := os.MkdirTemp("", "xbuild-buildkit-test-")
	if err != nil {
		return err
	}
	bed.dir = dir
	bed.stop = append(bed.stop, func() { os.RemoveAll(dir) })
	bed.tool = filepath.Join(dir, "tool")
	build := osexec.Command("go", "build", "-o", bed.tool+"/tool", "./testdata/tool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	bed.registry = fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
	l.Close()
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: %s}\n", dir, bed.registry)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	_, stop, err := start(dir, "registry", "tcp", bed.registry, registry, "serve", config)
	if err != nil {
		return err
	}
	bed.stop = append(bed.stop, stop)
	bed.addr, _, stop, err = startDaemon(buildkitd, dir, "bk")
	if err != nil {
		return err
	}
	bed.stop = append(bed.stop, stop)
	return nil
}

// startDaemon starts a buildkitd that mirrors docker.io to the test registry.
func startDaemon(buildkitd, dir, name string) (addr string, proc *os.Process, stop func(), err error) {
	socket := filepath.Join(dir, name+".sock")
	config := filepath.Join(dir, name+".toml")
	text := fmt.Sprintf(`root = %q
insecure-entitlements = ["network.host", "security.insecure"]
[grpc]
  address = ["unix://%s"]
[worker.containerd]
  enabled = false
[registry."docker.io"]
  mirrors = [%q]
[registry.%q]
  http = true
`, filepath.Join(dir, name), socket, bed.registry, bed.registry)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, nil, err
	}
	// In namespaces of its own a killed daemon leaves no step and no mount behind.
	proc, stop, err = start(dir, name, "unix", socket, "sh", "-c",
		`mount --make-rprivate / && mount -t proc proc /proc && exec "$@"`, "sh", buildkitd, "--config", config)
	return "unix://" + socket, proc, stop, err
}

// start runs a server and waits until it accepts connections.
func start(dir, name, network, address, program string, args ...string) (proc *os.Process, stop func(), err error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	cmd := osexec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if program == "sh" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	gone := make(chan struct{})
	var stopped atomic.Bool
	go func() {
		err := cmd.Wait()
		close(gone)
		if text, _ := os.ReadFile(log.Name()); !stopped.Load() { // a test may have wanted it; if not, this is why all others fail
			fmt.Fprintf(os.Stderr, "%s of the tests ended (%v); its last words:\n%s\n", name, err, text[max(0, len(text)-8<<10):])
		}
	}()
	stop = func() {
		stopped.Store(true)
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-gone
		}
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial(network, address); err == nil {
			c.Close()
			return cmd.Process, stop, nil
		}
	}
	stop()
	text, _ := os.ReadFile(log.Name())
	return nil, nil, fmt.Errorf("%s does not start:\n%s", program, text)
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
