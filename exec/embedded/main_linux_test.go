package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"

	"github.com/xbuild/xbuild/exec/embedded"
)

// ensureVariable makes the test binary a client that ensures a daemon and prints its address; see [newClient].
const ensureVariable = "XBUILD_TEST_ENSURE"

func TestMain(m *testing.M) {
	if exe, err := os.Executable(); err == nil {
		embedded.BecomeVersion(filepath.Base(exe))
	}
	if len(os.Args) > 1 && os.Args[1] == embedded.Command {
		os.Exit(embedded.Main(os.Args[2:]))
	}
	if os.Getenv(ensureVariable) != "" {
		addr, err := embedded.Ensure(context.Background(), embedded.DefaultConfig(os.Getenv))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(addr)
		os.Exit(0)
	}
	code := m.Run()
	if stepDir != "" {
		os.RemoveAll(stepDir)
	}
	os.Exit(code)
}

// missing skips the test, or fails it where everything is required, and says how to get what it needs.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("XBUILD_TEST_REQUIRE_ALL") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// newConfig returns the configuration of a daemon of the test's own, which is stopped with it. It needs what the
// daemon needs.
func newConfig(t testing.TB) embedded.Config {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "the built-in BuildKit needs root: run the tests as root")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		missing(t, "runc is not installed: apt-get install -y runc")
	}
	cfg := embedded.Config{StateDir: t.TempDir(), ConfigFile: filepath.Join(t.TempDir(), "buildkitd.toml")}
	writeFile(t, cfg.ConfigFile, "")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := embedded.Stop(ctx, cfg); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(cfg.StateDir, "daemon.log"))
			t.Logf("daemon.log:\n%s", log)
		}
	})
	return cfg
}

// newClient is a process of its own that calls Ensure with the same configuration.
func newClient(cfg embedded.Config) *exec.Cmd {
	return newClientOf("/proc/self/exe", cfg)
}

// newClientOf is newClient for another program, see [otherVersion].
func newClientOf(program string, cfg embedded.Config) *exec.Cmd {
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), ensureVariable+"=1", "XBUILD_STATE_DIR="+cfg.StateDir, "XBUILD_CONFIG="+cfg.ConfigFile)
	return cmd
}

func ensure(t testing.TB, cfg embedded.Config) string {
	t.Helper()
	addr, err := embedded.Ensure(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	return addr
}

func statusOf(t testing.TB, cfg embedded.Config) embedded.Info {
	t.Helper()
	info, err := embedded.Status(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Status: %v", err)
	}
	return info
}

func connect(t *testing.T, addr string) *client.Client {
	t.Helper()
	c, err := client.New(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	stepOnce sync.Once
	stepDir  string
	stepErr  error
)

// stepProgram compiles testdata/step for an architecture and returns the folder that holds it as "step-ARCH".
func stepProgram(t *testing.T, arch string) string {
	t.Helper()
	stepOnce.Do(func() { stepDir, stepErr = os.MkdirTemp("", "xbuild-step") })
	if stepErr != nil {
		t.Fatal(stepErr)
	}
	bin := filepath.Join(stepDir, "step-"+arch)
	if _, err := os.Stat(bin); err == nil {
		return stepDir
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "./testdata/step")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling the step: %v\n%s", err, out)
	}
	return stepDir
}

// runStep runs the step program with these arguments in an empty image, and returns the folder it left.
func runStep(ctx context.Context, t *testing.T, addr, arch string, args ...string) (string, error) {
	t.Helper()
	local, err := fsutil.NewFS(stepProgram(t, arch))
	if err != nil {
		t.Fatal(err)
	}
	state := llb.Scratch().
		File(llb.Copy(llb.Local("step"), "step-"+arch, "/step")).
		File(llb.Mkfile("/made", 0o640, []byte("by a file operation"))).
		Run(llb.Args(append([]string{"/step"}, args...)), llb.Dir("/")).Root()
	def, err := state.Marshal(ctx, llb.Platform(ocispecs.Platform{OS: "linux", Architecture: arch}))
	if err != nil {
		t.Fatal(err)
	}
	dest := t.TempDir()
	_, err = connect(t, addr).Solve(ctx, def, client.SolveOpt{
		LocalMounts: map[string]fsutil.FS{"step": local},
		Exports:     []client.ExportEntry{{Type: client.ExporterLocal, OutputDir: dest}},
	}, nil)
	return dest, err
}

// inBackground runs a step until it is seen to run, and returns the channel with its result.
func inBackground(t *testing.T, addr, token, duration string) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	stepProgram(t, runtime.GOARCH)
	go func() {
		_, err := runStep(context.Background(), t, addr, runtime.GOARCH, "sleep", duration, token)
		done <- err
	}()
	eventually(t, "the step runs", func() bool { return len(processesWith(t, token)) > 0 })
	return done
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after 20 s: %s", what)
		}
	}
}

// processesWith returns the processes whose command line contains the text.
func processesWith(t *testing.T, text string) (pids []string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(text)) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// assertNothingLeft checks the whole machine: no process of the daemon's, and no mount of its in any namespace.
func assertNothingLeft(t *testing.T, cfg embedded.Config, token string) {
	t.Helper()
	for _, text := range []string{cfg.StateDir, token} {
		if pids := processesWith(t, text); text != "" && len(pids) > 0 {
			t.Errorf("processes with %q are left: %v", text, pids)
		}
	}
	tables, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tables {
		if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), cfg.StateDir) {
			t.Errorf("a mount below %s is left in %s", cfg.StateDir, path)
		}
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// pull resolves an image through the daemon.
func pull(ctx context.Context, t *testing.T, addr, ref string) error {
	t.Helper()
	def, err := llb.Image(ref).Marshal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = connect(t, addr).Solve(ctx, def, client.SolveOpt{}, nil)
	return err
}
