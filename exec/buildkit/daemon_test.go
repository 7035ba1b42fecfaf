//go:build linux

package buildkit

import (
	"context"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
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
	lost     atomic.Int32 // how often the daemon was lost by a defect of its own
}

func TestMain(m *testing.M) {
	code := m.Run()
	for i := len(bed.stop) - 1; i >= 0; i-- {
		bed.stop[i]()
	}
	fmt.Printf("buildkitd was restarted %d times after a panic of its own\n", bed.lost.Load()) // ./test adds these up
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
	b, err := Dial(t.Context(), bed.addr, DialOptions{Name: "test", DockerConfig: t.TempDir(), StateDir: t.TempDir()})
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
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: \"127.0.0.1:0\"}\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	listening := regexp.MustCompile(`msg="listening on 127\.0\.0\.1:(\d+)`) // it chose the port, so no other program can have it
	registryServer, err := start(dir, "registry", func(s *server) bool { return listening.MatchString(s.words()) }, registry, "serve", config)
	if err != nil {
		return err
	}
	bed.registry = "localhost:" + listening.FindStringSubmatch(registryServer.words())[1]
	bed.stop = append(bed.stop, registryServer.stop)
	return keepDaemon(buildkitd, dir)
}

// keepDaemon starts the daemon of the test bed, and another one in its place when it ends by solverDefect.
func keepDaemon(buildkitd, dir string) error {
	addr, daemon, err := startDaemon(buildkitd, dir, "bk")
	if err != nil {
		return err
	}
	bed.addr = addr
	var last atomic.Pointer[server]
	last.Store(daemon)
	bed.stop = append(bed.stop, func() { last.Load().stop() })
	go func() {
		for accepts() || bed.lost.Load() < 5 && strings.Contains(last.Load().words(), solverDefect) {
			if accepts() {
				time.Sleep(200 * time.Millisecond)
				continue
			}
			// The lost one may still be ending its steps, and what it leaves may be half done.
			err := os.Rename(filepath.Join(dir, "bk"), fmt.Sprintf("%s/lost%d", dir, bed.lost.Load()))
			if err == nil {
				_, daemon, err = startDaemon(buildkitd, dir, "bk")
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			last.Store(daemon)
			bed.lost.Add(1)
		}
	}()
	return nil
}

// accepts tells whether the daemon of the test bed takes connections.
func accepts() bool {
	c, err := net.Dial("unix", strings.TrimPrefix(bed.addr, "unix://"))
	if err == nil {
		c.Close()
	}
	return err == nil
}

// solverDefect is where BuildKit 0.34 panics if a job is dropped while a step of it asks for its inputs ("inconsistent
// graph state"). A daemon whose clients are cut off hundreds of times comes upon it; https://github.com/moby/buildkit/issues/3714
// is of its kind.
const solverDefect = "solver.(*edge).createOutgoingRequest"

// startDaemon starts a buildkitd that mirrors docker.io to the test registry.
func startDaemon(buildkitd, dir, name string) (addr string, d *server, err error) {
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
		return "", nil, err
	}
	// In namespaces of its own a killed daemon leaves no step and no mount behind.
	accepts := func(*server) bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	d, err = start(dir, name, accepts, "sh", "-c",
		`mount --make-rprivate / && mount -t proc proc /proc && exec "$@"`, "sh", buildkitd, "--config", config)
	return "unix://" + socket, d, err
}

// server is a program that runs beside the tests.
type server struct {
	proc    *os.Process
	log     string
	gone    chan struct{} // closed when it has ended
	stopped atomic.Bool
}

// words are what it said.
func (s *server) words() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

func (s *server) stop() {
	s.stopped.Store(true)
	s.proc.Signal(syscall.SIGTERM)
	select {
	case <-s.gone:
	case <-time.After(10 * time.Second):
		s.proc.Kill()
		<-s.gone
	}
}

// start runs a server and waits until it is ready.
func start(dir, name string, ready func(*server) bool, program string, args ...string) (*server, error) {
	s := &server{log: filepath.Join(dir, name+".log"), gone: make(chan struct{})}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := osexec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if program == "sh" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.proc = cmd.Process
	go func() {
		err := cmd.Wait()
		if !s.stopped.Load() { // a test may have wanted it; if not, this is why others fail
			text := s.words()
			fmt.Fprintf(os.Stderr, "%s of the tests ended (%v); its last words:\n%s\n", name, err, text[max(0, len(text)-8<<10):])
		}
		close(s.gone)
	}()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ready(s) {
			return s, nil
		}
	}
	s.stop()
	return nil, fmt.Errorf("%s does not start:\n%s", program, s.words())
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// refusing is an address at which every connection is refused as long as the test runs: its port is taken, and nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("localhost:%d", name.(*syscall.SockaddrInet4).Port)
}
