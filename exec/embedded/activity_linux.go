package embedded

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// grace is the time between a client's Ensure and its first call in which the daemon is not replaced under it.
const grace = time.Second

// activity knows whether the daemon has something to do, and decides when it stops. The decision and the beginning of
// a call exclude each other: a call either begins, and the daemon stays, or is refused as by a daemon that is not there.
type activity struct {
	settings string

	mu       sync.Mutex
	calls    int
	last     time.Time // the end of the last call, or the last promise to a client
	stopping string    // why it stops; empty while it does not
	stopped  chan struct{}
}

func newActivity(settings string) *activity {
	return &activity{settings: settings, last: time.Now(), stopped: make(chan struct{})}
}

var errStopping = status.Error(codes.Unavailable, "the built-in BuildKit is stopping")

func (a *activity) begin() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopping != "" {
		return errStopping
	}
	a.calls++
	return nil
}

func (a *activity) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls--
	a.last = time.Now()
}

// stop makes every further call be refused.
func (a *activity) stop(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopLocked(why)
}

func (a *activity) stopLocked(why string) {
	if a.stopping == "" {
		a.stopping = why
		close(a.stopped)
	}
}

func (a *activity) reason() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stopping
}

// ended is closed when the daemon has been without a call for the time given, or has retired.
func (a *activity) ended(idle time.Duration) <-chan struct{} {
	go func() {
		for {
			a.mu.Lock()
			left := idle
			if a.calls == 0 {
				left = idle - time.Since(a.last)
			}
			if left <= 0 {
				a.stopLocked("no call for " + idle.String())
			}
			a.mu.Unlock()
			select {
			case <-a.stopped:
				return
			case <-time.After(max(left, time.Millisecond)):
			}
		}
	}()
	return a.stopped
}

// acquire answers a client that wants to use the daemon; see [acquireRequest].
func (a *activity) acquire(settings string) (v verdict, calls int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stopping != "":
		return "", 0, errStopping
	case settings == "": // only looks
		return use, a.calls, nil
	case settings == a.settings || a.calls > 0:
		a.last = time.Now()
		return use, a.calls, nil
	case time.Since(a.last) < grace:
		return wait, 0, nil
	}
	a.stopLocked("a client has other settings")
	return retiring, 0, nil
}

func (a *activity) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := a.begin(); err != nil {
		return nil, err
	}
	defer a.end()
	return handle(ctx, req)
}

func (a *activity) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := a.begin(); err != nil {
		return err
	}
	defer a.end()
	return handle(srv, stream)
}
