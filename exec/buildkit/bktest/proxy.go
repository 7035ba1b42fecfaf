// Package bktest stands between a client and a BuildKit daemon, for tests, and makes the connection fail on purpose.
//
// In: the address of a daemon. Out: a [Proxy] with an address of its own, which passes every call of BuildKit's API on, so
// that the daemon behaves as it does, except where a [Fault] says otherwise. Promised: a fault hits once, at the call or
// at the message that it names; what a run calls without a fault is counted, so that a test can put a fault at each place
// in turn. Start with [Start].
//
// The package knows no message of BuildKit's API: it passes bytes on. What the daemon asks of the client goes through the
// one stream of the session, whose messages are counted apart.
package bktest

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Mode is the way in which something fails.
type Mode string

// The modes.
const (
	Error   Mode = "error"   // the call is refused with an error; the daemon does not see it
	Lost    Mode = "lost"    // the daemon does what it is asked, its answer becomes an error
	Drop    Mode = "drop"    // all connections break; new ones can be made
	Freeze  Mode = "freeze"  // nothing is answered any more, on no connection, until [Proxy.Thaw]
	Slow    Mode = "slow"    // the answer comes late
	Garbage Mode = "garbage" // the answer is bytes that mean nothing
)

// Modes are all of them.
var Modes = []Mode{Error, Lost, Drop, Freeze, Slow, Garbage}

// late is how long a slow answer takes.
const late = 200 * time.Millisecond

// Fault is one thing that goes wrong. It hits the call with the number Call, or, if InSession is set, the message with the
// number Call that the daemon sends through a session. Numbers begin at 0 with [Proxy.Inject].
type Fault struct {
	Mode      Mode
	Call      int
	InSession bool
}

// The methods that are told apart. A probe comes when its time has come, so it has no number.
const (
	session = "/moby.buildkit.v1.Control/Session"
	solve   = "/moby.buildkit.v1.Control/Solve"
	probe   = "/moby.buildkit.v1.Control/Info"
)

// Proxy passes calls on to a daemon.
type Proxy struct {
	addr   string
	server *grpc.Server
	daemon *grpc.ClientConn
	ice    *ice

	mu       sync.Mutex
	fault    *Fault
	calls    []string
	solves   [][]byte
	messages int
	hit      bool
}

// Start listens on a unix socket and passes everything on to the daemon at upstream, "unix:///path". Close ends it.
func Start(socket, upstream string) (*Proxy, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	p := &Proxy{addr: "unix://" + socket, ice: newIce()}
	p.daemon, err = grpc.NewClient(upstream, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{}), grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		l.Close()
		return nil, err
	}
	p.server = grpc.NewServer(grpc.UnknownServiceHandler(p.pass), grpc.ForceServerCodec(bytesCodec{}),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))
	go p.server.Serve(coldListener{l, p.ice}) // ends with Close
	return p, nil
}

// maxMessage is as much as BuildKit allows.
const maxMessage = 64 << 20

// Addr is the address for clients.
func (p *Proxy) Addr() string { return p.addr }

// Inject sets the fault, nil for none, and begins to count.
func (p *Proxy) Inject(f *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.calls, p.solves, p.messages, p.hit = f, nil, nil, 0, false
}

// Calls are the methods that were called since Inject, in order, and Messages how many messages came through sessions.
func (p *Proxy) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

// Solves are the requests for a build since Inject, as they were on the wire.
func (p *Proxy) Solves() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([][]byte(nil), p.solves...)
}

// sent keeps a request for a build.
func (p *Proxy) sent(method string, m []byte) {
	if method != solve {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.solves = append(p.solves, append([]byte(nil), m...))
}

// Messages is how many messages the daemon sent through sessions since Inject.
func (p *Proxy) Messages() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages
}

// Hit reports whether the fault has happened.
func (p *Proxy) Hit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// Freeze stops everything at once.
func (p *Proxy) Freeze() { p.ice.freeze() }

// Thaw ends a freeze. What was held back goes on.
func (p *Proxy) Thaw() { p.ice.thaw() }

// Close ends the proxy. All connections break.
func (p *Proxy) Close() {
	p.ice.thaw()
	p.server.Stop()
	p.daemon.Close()
}

// begin counts a call and returns how it fails; empty if it does not.
func (p *Proxy) begin(method string) Mode {
	if method == probe {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.calls)
	p.calls = append(p.calls, method)
	return p.match(n, false)
}

// message counts a message of a session and returns how it fails.
func (p *Proxy) message() Mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.messages
	p.messages++
	return p.match(n, true)
}

func (p *Proxy) match(n int, inSession bool) Mode {
	if f := p.fault; f != nil && !p.hit && f.Call == n && f.InSession == inSession {
		p.hit = true
		return f.Mode
	}
	return ""
}

// errInjected is what a client is told.
var errInjected = status.Error(codes.Unknown, "a fault that the test wants")

// pass handles every call.
func (p *Proxy) pass(_ any, client grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(client)
	mode := p.begin(method)
	switch mode {
	case Error:
		return errInjected
	case Drop:
		p.ice.breakAll()
		return errInjected
	case Freeze:
		p.ice.freeze()
	}
	md, _ := metadata.FromIncomingContext(client.Context())
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(client.Context(), md))
	defer cancel()
	daemon, err := p.daemon.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	go func() {
		for {
			var m []byte
			if err := client.RecvMsg(&m); err == io.EOF {
				_ = daemon.CloseSend() // never fails
				return
			} else if err != nil {
				cancel()
				return
			}
			p.sent(method, m)
			if daemon.SendMsg(&m) != nil { // its answer says why
				return
			}
		}
	}()
	return p.answer(client, daemon, mode, method == session)
}

// answer passes what the daemon says on to the client.
func (p *Proxy) answer(client grpc.ServerStream, daemon grpc.ClientStream, mode Mode, inSession bool) error {
	if h, err := daemon.Header(); err == nil {
		_ = client.SetHeader(h) // fails if the client is gone, which the next call tells
	}
	for {
		var m []byte
		err := daemon.RecvMsg(&m)
		if mode == Slow {
			time.Sleep(late)
			mode = ""
		}
		switch {
		case err != nil && mode == Lost:
			return errInjected
		case err != nil:
			client.SetTrailer(daemon.Trailer())
			if err == io.EOF {
				err = nil
			}
			return err
		}
		now := mode
		if inSession {
			if hit := p.message(); hit != "" {
				now = hit
			}
		}
		switch now {
		case Error:
			return errInjected
		case Lost: // of a stream only the first message, of another call its only one
			mode = Lost
			continue
		case Drop:
			p.ice.breakAll()
			return errInjected
		case Freeze:
			p.ice.freeze()
		case Slow:
			time.Sleep(late)
		case Garbage:
			m = []byte("\xff\xff\xff\x07 garbage \x00\xfe")
		}
		if err := client.SendMsg(&m); err != nil {
			return err
		}
	}
}

// bytesCodec passes messages on as they are.
type bytesCodec struct{}

func (bytesCodec) Name() string                  { return "proto" }
func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// ice holds all connections back, or breaks them.
type ice struct {
	mu    sync.Mutex
	cold  bool
	warm  chan struct{} // closed while nothing is frozen
	conns map[*coldConn]bool
}

func newIce() *ice {
	i := &ice{warm: make(chan struct{}), conns: map[*coldConn]bool{}}
	close(i.warm)
	return i
}

func (i *ice) freeze() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.cold {
		i.cold, i.warm = true, make(chan struct{})
	}
}

func (i *ice) thaw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cold {
		i.cold = false
		close(i.warm)
	}
}

func (i *ice) wait() {
	i.mu.Lock()
	warm := i.warm
	i.mu.Unlock()
	<-warm
}

func (i *ice) breakAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for c := range i.conns {
		c.Conn.Close()
	}
}

// coldListener makes connections that can be frozen.
type coldListener struct {
	net.Listener
	ice *ice
}

func (l coldListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	cc := &coldConn{Conn: c, ice: l.ice}
	l.ice.mu.Lock()
	l.ice.conns[cc] = true
	l.ice.mu.Unlock()
	return cc, nil
}

type coldConn struct {
	net.Conn
	ice *ice
}

func (c *coldConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		c.ice.wait()
	}
	return n, err
}

func (c *coldConn) Write(b []byte) (int, error) {
	c.ice.wait()
	return c.Conn.Write(b)
}

func (c *coldConn) Close() error {
	c.ice.mu.Lock()
	delete(c.ice.conns, c)
	c.ice.mu.Unlock()
	return c.Conn.Close()
}
