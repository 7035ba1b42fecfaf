package buildkit

import (
	"context"
	"net"

	"github.com/moby/buildkit/client"

	"github.com/xbuild/xbuild/exec/buildkit/engine"
)

// DialEngine connects to the BuildKit inside of a Docker Engine, at unix:///path or tcp://host:port. The error is an
// [*Unreachable] if there is none.
func DialEngine(ctx context.Context, address string, opt DialOptions) (*Backend, error) {
	e, err := engine.Dial(ctx, address, usualPatience.dial)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &Unreachable{Addr: address, Err: err}
	}
	if opt.Name == "" {
		opt.Name = "docker"
	}
	c, err := client.New(ctx, "", client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return e.DialBuildKit(ctx)
	}), client.WithSessionDialer(e.DialSession))
	if err != nil {
		return nil, &Unreachable{Addr: address, Err: err}
	}
	b := &Backend{addr: address, opt: opt, client: c, engine: e, dialSession: e.DialSession, patience: usualPatience}
	return b.greet(ctx)
}

// EngineAddress is the address of the Docker Engine that the docker command would use: by DOCKER_HOST, DOCKER_CONTEXT,
// docker's configuration in configDir (empty means its usual place), or the usual socket. Whether it is there, [DialEngine]
// finds out.
func EngineAddress(configDir string) (string, error) { return engine.Address(configDir, "") }
