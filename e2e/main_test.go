// Package e2e drives the built xbuild as a user would, against real parts: a real buildkitd, the BuildKit inside xbuild, a
// real registry, QEMU, and base images that the suite makes itself.
//
// In: the checkout. Out: the proof that `xbuild run` does what the README says. Nothing is faked; [parts] makes and
// starts everything, and keeps it in a cache folder (XBUILD_TEST_CACHE). On a machine that lacks a part the tests are
// skipped with the command that installs it; with XBUILD_TEST_REQUIRE_ALL=1 that is a failure.
//
// The program in kills cuts builds off at random moments and looks at what is left.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xbuild/xbuild/e2e/parts"
)

// suite is what all tests share. It is made when the first test asks for it.
var suite struct {
	sync.Once
	bed    *parts.Bed
	daemon *parts.Daemon // shared by the tests that need no fresh one
	begin  sync.Mutex    // guards its start
	xbuild string        // the program under test
	err    error

	ran, skipped atomic.Int32
}

func TestMain(m *testing.M) {
	code := m.Run()
	if suite.bed != nil {
		if suite.daemon != nil {
			suite.daemon.Stop()
		}
		suite.bed.Close()
	}
	fmt.Printf("end to end: %d tests ran, %d were skipped\n", suite.ran.Load(), suite.skipped.Load())
	os.Exit(code)
}

// bed returns the shared parts, or skips the test where this machine lacks some.
func bed(t *testing.T) *parts.Bed {
	t.Helper()
	suite.Do(func() {
		ctx := context.Background() // the parts outlive the test that asks first
		suite.bed, suite.err = parts.Open(ctx, func(format string, args ...any) { fmt.Printf("parts: "+format+"\n", args...) })
		if suite.err == nil {
			suite.err = buildXbuild(ctx)
		}
	})
	var missing *parts.Missing
	switch {
	case suite.err == nil:
		suite.ran.Add(1)
		return suite.bed
	case errors.As(suite.err, &missing) && os.Getenv("XBUILD_TEST_REQUIRE_ALL") != "1":
		suite.skipped.Add(1)
		t.Skip(suite.err)
	}
	t.Fatal(suite.err)
	return nil
}

// buildXbuild makes the program as it is released.
func buildXbuild(ctx context.Context) error {
	suite.xbuild = filepath.Join(suite.bed.Dir, "xbuild")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", suite.xbuild, "./cmd/xbuild")
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building xbuild: %w\n%s", err, out)
	}
	return nil
}

// TestParts: the parts can be made at all. Without it a first failure would look like one of xbuild.
func TestParts(t *testing.T) { bed(t) }

// maxSize is what the program may have, in bytes. Without the tag grpcnotrace it is a sixth larger: gRPC then brings pages
// for browsers along, whose templates call methods by name, so that the linker must keep every method.
const maxSize = 40_000_000

func TestSize(t *testing.T) {
	bed(t)
	info, err := os.Stat(suite.xbuild)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > maxSize {
		t.Errorf("xbuild has %d bytes, more than %d; go tool nm -size and go list -deps tell of what", info.Size(), maxSize)
	}
}
