//go:build !linux

package embedded

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
)

// Supported says whether this program carries a BuildKit.
const Supported = false

var errUnsupported = fmt.Errorf("no BuildKit is built in on %s; set BUILDKIT_HOST to the address of a running buildkitd, for example tcp://HOST:1234", runtime.GOOS)

// Ensure is an error on this system: BuildKit needs Linux to run.
func Ensure(context.Context, Config) (string, error) { return "", errUnsupported }

// Dial is an error on this system.
func Dial(context.Context, string) (net.Conn, error) { return nil, errUnsupported }

// Status reports that nothing runs.
func Status(context.Context, Config) (Info, error) { return Info{}, nil }

// Stop has nothing to stop.
func Stop(context.Context, Config) error { return nil }

// Check has one problem to report: the system.
func Check(Config) []error { return []error{errUnsupported} }

// Reserve sets nothing aside.
func Reserve(Config) {}

// Release has nothing to give back.
func Release(Config) {}

// Main is an error on this system.
func Main([]string) int {
	fmt.Fprintln(os.Stderr, errUnsupported)
	return 1
}
