package buildkit

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/moby/buildkit/client"
)

// DialEngine connects to the BuildKit inside of a Docker Engine, at unix:///path or tcp://host:port. The error is an
// [*Unreachable] if there is none.
func DialEngine(ctx context.Context, address string, opt DialOptions) (*Backend, error) {
	e, err := dialEngine(ctx, address)
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
		return e.upgrade(ctx, "/grpc", "h2c", nil)
	}), client.WithSessionDialer(e.dialSession))
	if err != nil {
		return nil, &Unreachable{Addr: address, Err: err}
	}
	b := &Backend{addr: address, opt: opt, client: c, engine: e, dialSession: e.dialSession, patience: usualPatience}
	return b.greet(ctx)
}

// EngineAddress is the address of the Docker Engine that the docker command would use: by DOCKER_HOST, DOCKER_CONTEXT,
// docker's configuration in configDir (empty means its usual place), or the usual socket. Whether it is there, [DialEngine]
// finds out.
func EngineAddress(configDir string) (string, error) { return engineAddress(configDir, "") }

func (e *engine) dialSession(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
	return e.upgrade(ctx, "/session", proto, meta)
}

// upgrade turns an HTTP request into a raw connection.
func (e *engine) upgrade(ctx context.Context, path, proto string, meta map[string][]string) (net.Conn, error) {
	c, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.base+path, nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	for k, vs := range meta {
		for _, v := range vs {
			req.Header.Add(k, v)
		}
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", proto)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	if err := req.Write(c); err != nil {
		c.Close()
		return nil, err
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, req)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("the Docker Engine at %s answers %s to %s: it has no BuildKit that can be used", e.address, strings.TrimSpace(resp.Status), path)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &upgradedConn{c, r}, nil
}

// upgradedConn reads first what came together with the answer.
type upgradedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *upgradedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
