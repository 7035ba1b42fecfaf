//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// way is one way to cut a build off.
type way struct {
	name string
	// often says how many of twenty builds end like this.
	often int
	// strike does it, at some moment while the build b runs. mend puts right what the next build needs, and comes when the
	// build has ended. Either may be nil.
	strike func(s *site, b *exec.Cmd) error
	mend   func(ctx context.Context, s *site) error
	// before comes before the build starts.
	before func(s *site) error
	// external lets the build use a buildkitd in place of the BuildKit inside xbuild, through a connection that can be cut.
	external bool
	// killed says that the build cannot clean up; limit is how long it may take after the strike.
	killed bool
	limit  time.Duration
}

const (
	soon   = 15 * time.Second // what is lost must be noticed within this time
	always = 60 * time.Second
)

var ways = []way{
	{name: "client", often: 4, killed: true, limit: soon, strike: killClient},
	{name: "client-external", often: 2, killed: true, limit: soon, external: true, strike: killClient},
	{name: "interrupt", often: 1, limit: soon, strike: func(_ *site, b *exec.Cmd) error { return b.Process.Signal(os.Interrupt) }},
	{name: "daemon", often: 3, limit: soon, strike: func(s *site, _ *exec.Cmd) error { return s.signalDaemon(syscall.SIGKILL) }},
	{name: "freeze", often: 1, limit: soon, strike: func(s *site, _ *exec.Cmd) error { return s.signalDaemon(syscall.SIGSTOP) },
		mend: func(_ context.Context, s *site) error { return s.signalDaemon(syscall.SIGCONT) }},
	{name: "freeze-external", often: 1, limit: soon, external: true,
		strike: func(s *site, _ *exec.Cmd) error { return syscall.Kill(s.daemon.PID, syscall.SIGSTOP) },
		mend:   func(_ context.Context, s *site) error { return syscall.Kill(s.daemon.PID, syscall.SIGCONT) }},
	{name: "registry", often: 3, limit: always, strike: func(s *site, _ *exec.Cmd) error { return syscall.Kill(s.registry.PID, syscall.SIGKILL) },
		mend: func(ctx context.Context, s *site) error { return s.registry.Restart(ctx) }},
	{name: "reset", often: 3, limit: soon, external: true, strike: func(s *site, _ *exec.Cmd) error { s.cut.reset(); return nil }},
	// A full disk is full before the build, since a moment later might be too late.
	{name: "full-output", often: 1, limit: always, before: func(s *site) error { return fill(s.dir, 300<<10) },
		mend: func(_ context.Context, s *site) error { return os.Remove(ballast(s.dir)) }},
	{name: "full-store", often: 1, limit: always, before: func(s *site) error { return fill(s.state, 200<<10) },
		mend: func(_ context.Context, s *site) error { return os.Remove(ballast(s.state)) }},
}

func names() []string {
	var out []string
	for _, w := range ways {
		out = append(out, w.name)
	}
	return out
}

// choose is the ways to use, each as often as it shall come.
func choose(only string) ([]way, error) {
	var out []way
	for _, w := range ways {
		if only == w.name {
			return []way{w}, nil
		}
		out = append(out, slices.Repeat([]way{w}, w.often)...)
	}
	if only != "" {
		return nil, fmt.Errorf("there is no way %q; want one of %s", only, strings.Join(names(), ", "))
	}
	return out, nil
}

func killClient(_ *site, b *exec.Cmd) error { return b.Process.Kill() }

// ballast is the file that fills a disk.
func ballast(dir string) string { return filepath.Join(dir, ".ballast") }

// fill leaves some bytes free of the file system that dir is the root of.
func fill(dir string, leave int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return err
	}
	f, err := os.Create(ballast(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return syscall.Fallocate(int(f.Fd()), 0, 0, max(1, int64(st.Bavail)*st.Bsize-leave))
}

// cut is a way to a daemon's socket on which connections can be broken.
type cut struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newCut(socket, to string) (*cut, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	c := &cut{listener: l, to: to, conns: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil { // closed
				return
			}
			go c.serve(conn)
		}
	}()
	return c, nil
}

func (c *cut) serve(client net.Conn) {
	defer client.Close()
	daemon, err := net.Dial("unix", c.to)
	if err != nil {
		return
	}
	defer daemon.Close()
	c.mu.Lock()
	c.conns[client] = true
	c.mu.Unlock()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, daemon}, {daemon, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // either end may go away
			done <- struct{}{}
		}()
	}
	<-done
	c.mu.Lock()
	delete(c.conns, client)
	c.mu.Unlock()
}

// reset breaks all connections. New ones can be made.
func (c *cut) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
}
