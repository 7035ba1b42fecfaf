package buildkit

import (
	"context"
	"time"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// A daemon that is frozen, or a network that is gone, shows no error by itself. So whatever asks a daemon for more than a
// moment does it in [Backend.attended], which asks it now and then whether it is there.

// patience is how long a backend waits for a daemon that does not answer.
type patience struct {
	// dial is for the first call. A daemon that is there answers in milliseconds.
	dial time.Duration
	// drain is for the last words of a cancelled request.
	drain time.Duration
	// probe is the time between two questions, and as long has each to be answered. After probeMisses of them the daemon
	// counts as lost, so that is noticed after 1 + probeMisses times this at the latest.
	probe time.Duration
}

var usualPatience = patience{dial: 10 * time.Second, drain: 2 * time.Second, probe: 4 * time.Second}

const probeMisses = 2

// attended does something with the daemon. The context that do gets ends with a [*lostError] when the daemon is lost. After
// the end of its context, do is left to itself when the daemon has had its time for last words.
func (b *Backend) attended(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go b.probe(ctx, cancel)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return causeOr(ctx, err)
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return causeOr(ctx, err)
	case <-time.After(b.drainTime()):
		return context.Cause(ctx)
	}
}

// request is a gateway build that reports nothing while it runs.
func (b *Backend) request(ctx context.Context, opt client.SolveOpt, f gateway.BuildFunc) error {
	return b.attended(ctx, func(ctx context.Context) error {
		_, err := b.build(ctx, opt, f, nil)
		return err
	})
}

// drainTime is how long to wait for the daemon's last words.
func (b *Backend) drainTime() time.Duration {
	if b.lost.Load() {
		return b.patience.drain / 10 // for what is going on in this process
	}
	return b.patience.drain
}

// causeOr is the reason why the context ended, if it did, else err.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

// probe cancels if the daemon stops answering.
func (b *Backend) probe(ctx context.Context, cancel context.CancelCauseFunc) {
	b.lost.Store(false)
	tick := time.NewTicker(b.patience.probe)
	defer tick.Stop()
	misses := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		call, done := context.WithTimeout(ctx, b.patience.probe)
		_, err := b.client.Info(call)
		done()
		if ctx.Err() != nil {
			return
		}
		if code := grpcerrors.Code(err); code != codes.DeadlineExceeded && code != codes.Unavailable { // an error is an answer, too
			misses = 0
			continue
		}
		if misses++; misses == probeMisses {
			b.lost.Store(true)
			cancel(&lostError{err})
			return
		}
	}
}

// lostError says that the daemon does not answer any more.
type lostError struct{ err error }

func (e *lostError) Error() string {
	return "BuildKit does not answer any more: " + cleanMessage(e.err)
}
func (e *lostError) Unwrap() error { return e.err }
