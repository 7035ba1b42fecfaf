package main

import (
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
)

// meter stands between a client and the daemon and counts the bytes that the client sends.
type meter struct {
	address  string
	listener net.Listener
	sent     atomic.Int64
}

func newMeter(path, daemon string) (*meter, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	m := &meter{address: "unix://" + path, listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go m.carry(c, strings.TrimPrefix(daemon, "unix://"))
		}
	}()
	return m, nil
}

func (m *meter) carry(c net.Conn, daemon string) {
	defer c.Close()
	d, err := net.Dial("unix", daemon)
	if err != nil {
		return // the client sees a closed connection
	}
	defer d.Close()
	go func() {
		_, _ = io.Copy(c, d) // ends with either side
		c.Close()
	}()
	_, _ = io.Copy(d, io.TeeReader(c, counter{&m.sent}))
}

func (m *meter) close() {
	m.listener.Close()
	os.Remove(strings.TrimPrefix(m.address, "unix://"))
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
