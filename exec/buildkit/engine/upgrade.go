package engine

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// DialBuildKit connects to the BuildKit inside of the engine.
func (e *Engine) DialBuildKit(ctx context.Context) (net.Conn, error) {
	return e.upgrade(ctx, "/grpc", "h2c", nil)
}

// DialSession gives that BuildKit a connection for a session, of a protocol and with what the session says of itself.
func (e *Engine) DialSession(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
	return e.upgrade(ctx, "/session", proto, meta)
}

// upgrade turns an HTTP request into a raw connection.
func (e *Engine) upgrade(ctx context.Context, path, proto string, meta map[string][]string) (net.Conn, error) {
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
		err = fmt.Errorf("the Docker Engine at %s answers %s to %s: it has no BuildKit that can be used", e.Address, strings.TrimSpace(resp.Status), path)
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
