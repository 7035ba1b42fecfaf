package cli

import (
	"context"
	"os"

	"github.com/xbuild/xbuild/exec/buildkit"
	"github.com/xbuild/xbuild/exec/embedded"
	"github.com/xbuild/xbuild/exec/output"
)

// defaultSocket is where a system-wide buildkitd listens.
const defaultSocket = "/run/buildkit/buildkitd.sock"

// connect reaches a BuildKit: the one that BUILDKIT_HOST names, else a system-wide one, else the one inside xbuild.
func (a *app) connect(ctx context.Context) (*buildkit.Backend, error) {
	opt := buildkit.DialOptions{Name: "buildkit", Owner: output.OwnerFromEnv(a.getenv, os.Geteuid())}
	if addr := a.getenv("BUILDKIT_HOST"); addr != "" {
		return buildkit.Dial(ctx, addr, opt)
	}
	if st, err := os.Stat(defaultSocket); err == nil && st.Mode()&os.ModeSocket != 0 {
		if b, err := buildkit.Dial(ctx, "unix://"+defaultSocket, opt); err == nil {
			return b, nil
		}
	}
	addr, err := embedded.Ensure(ctx, embedded.DefaultConfig(a.getenv))
	if err != nil {
		return nil, &exitError{ExitUnreachable, err}
	}
	opt.Name = "embedded"
	return buildkit.Dial(ctx, addr, opt)
}
