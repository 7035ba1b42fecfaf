package buildkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
)

// scheduler decides when each build may begin: after those that it waits for, and within the bounds of the run and of its
// target.
type scheduler struct {
	run     *run
	slots   chan struct{}            // of the run; nil means no bound
	targets map[string]chan struct{} // by target that has a bound
	primers map[*build]*primer
}

func (r *run) newScheduler() *scheduler {
	s := &scheduler{run: r, targets: map[string]chan struct{}{}, primers: r.primers()}
	if r.opt.Parallel > 0 {
		s.slots = make(chan struct{}, r.opt.Parallel)
	}
	for _, b := range r.builds {
		if b.Concurrency > 0 && s.targets[b.Target] == nil {
			s.targets[b.Target] = make(chan struct{}, b.Concurrency)
		}
	}
	return s
}

// solveAll builds every requested target and platform. Linked ones are part of those that use them.
func (r *run) solveAll(ctx context.Context, gc gateway.Client) error {
	s := r.newScheduler()
	g, gctx := errgroup.WithContext(ctx)
	for _, b := range r.builds {
		if !b.Requested || b.err != nil {
			close(b.solved)
			continue
		}
		g.Go(func() error {
			defer close(b.solved)
			b.solveErr = s.solve(gctx, gc, b)
			return r.note(gctx, b, b.solveErr)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) > 0 { // of builds that were let finish
		return errStopped
	}
	return nil
}

// solve waits until the build may begin and builds it, as often as the build file allows.
func (s *scheduler) solve(ctx context.Context, gc gateway.Client, b *build) error {
	if err := s.await(ctx, b); err != nil {
		return err
	}
	release, err := acquire(ctx, s.targets[b.Target], s.slots)
	if err != nil {
		return err
	}
	defer release()
	for attempt := 0; ; attempt++ {
		err := s.attempt(ctx, gc, b)
		if err == nil || ctx.Err() != nil || attempt >= b.Values.Retries {
			return err
		}
		pause := min(firstPause<<attempt, longestPause)
		s.run.remark(fmt.Sprintf("target %s on %s failed; it is tried again in %s (%d of %d)", b.Target, b.Platform, pause, attempt+1, b.Values.Retries))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// The time before a build is tried again doubles each time.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// await waits for the builds that come first.
func (s *scheduler) await(ctx context.Context, b *build) error {
	for _, d := range s.run.builds {
		if !d.Requested || !slices.Contains(b.After, d.Target) {
			continue
		}
		select {
		case <-d.solved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := errors.Join(d.err, d.solveErr); err != nil && !d.lost { // its target is finished without it
			return &linkError{order: true, link: d, err: err}
		}
	}
	s.primers[b].wait(ctx, b)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// acquire takes a slot of each bound that there is.
func acquire(ctx context.Context, bounds ...chan struct{}) (release func(), err error) {
	var held []chan struct{}
	release = func() {
		for _, c := range held {
			<-c
		}
	}
	for _, c := range bounds {
		if c == nil {
			continue
		}
		select {
		case c <- struct{}{}:
			held = append(held, c)
		case <-ctx.Done():
			release()
			return nil, context.Cause(ctx)
		}
	}
	return release, nil
}

// timeoutError says that a build took too long.
type timeoutError struct {
	build *build
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("target %s on %s was not built within %s, its timeout", e.build.Target, e.build.Platform, e.build.Values.Timeout)
}

// attempt builds once.
func (s *scheduler) attempt(ctx context.Context, gc gateway.Client, b *build) error {
	late, began := &timeoutError{b}, time.Now()
	if d := b.Values.Timeout; d > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, d, late)
		defer stop()
	}
	err := s.run.prime(ctx, gc, b, s.primers[b])
	switch {
	case err != nil:
	case b.alone():
		err = s.run.solveAlone(ctx, b)
	default:
		_, err = gc.Solve(ctx, s.run.solveRequest(b))
	}
	// The daemon knows the deadline too, and may tell of it before it has come here.
	told := b.Values.Timeout > 0 && grpcerrors.Code(err) == codes.DeadlineExceeded && time.Since(began) > b.Values.Timeout*9/10
	if err != nil && (told || context.Cause(ctx) == error(late)) {
		return late
	}
	return err
}
