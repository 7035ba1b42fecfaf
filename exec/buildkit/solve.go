package buildkit

import (
	"context"
	"errors"
	"fmt"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/exec/schedule"
)

// solveAll builds every requested target and platform. Linked ones are part of those that use them.
func (r *run) solveAll(ctx context.Context, gc gateway.Client) error {
	var builds []*build
	for _, b := range r.builds {
		if b.Requested {
			builds = append(builds, b)
		}
	}
	if err := r.solveBuilds(ctx, gc, builds, r.primers()); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problems) > 0 { // of builds that were let finish
		return errStopped
	}
	return nil
}

// solving is a [schedule.Session] for the builds of a run on its daemon. The first units are the builds, the others primers.
type solving struct {
	run     *run
	gc      gateway.Client
	builds  []*build
	primers []*primer
	leads   map[*build]*primer // the primer that a build leads
	ctx     context.Context    // ends at the first failure that stops the run
	stop    context.CancelFunc
	err     error // errStopped after such a failure
}

// solveBuilds solves builds in the order that they ask for, and notes their failures.
func (r *run) solveBuilds(ctx context.Context, gc gateway.Client, builds []*build, primers map[*build]*primer) error {
	s := &solving{run: r, gc: gc, builds: builds, leads: map[*build]*primer{}}
	s.ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	schedule.Run(ctx, s.units(primers), []schedule.Node{{Name: "hub", Session: s}}, schedule.Options{
		Parallel: r.opt.Parallel, KeepGoing: r.opt.KeepGoing, Fatal: s.fatal, Retrying: s.retrying, Ended: s.ended})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.err
}

// units are the builds and primers as the schedule knows them. A build waits for the targets that it comes after, and for the primer
// of its compile cache.
func (s *solving) units(primers map[*build]*primer) []schedule.Unit {
	var out []schedule.Unit
	at := map[*primer]int{}
	for _, b := range s.builds {
		if p := primers[b]; p != nil && p.leader == b {
			at[p] = len(s.builds) + len(s.primers)
			s.primers = append(s.primers, p)
			s.leads[b] = p
		}
	}
	ofTarget := map[string][]int{}
	for i, b := range s.builds {
		ofTarget[b.Target] = append(ofTarget[b.Target], i)
	}
	for _, b := range s.builds {
		u := b.unit()
		u.Err, u.Retries, u.Optional = b.err, b.Values.Retries, !b.needed
		for _, target := range b.After {
			for _, i := range ofTarget[target] {
				u.Needs = append(u.Needs, schedule.Need{Unit: i, Kind: schedule.Order})
			}
		}
		if p := primers[b]; p != nil {
			u.Needs = append(u.Needs, schedule.Need{Unit: at[p], Kind: schedule.Turn})
		}
		out = append(out, u)
	}
	for _, p := range s.primers {
		u := p.leader.unit()
		u.Optional = true // its failure is the leader's
		out = append(out, u)
	}
	return out
}

// unit is what a build and the primer that it leads have in common.
func (b *build) unit() schedule.Unit {
	return schedule.Unit{Name: fmt.Sprintf("target %s on %s", b.Target, b.Platform), Group: b.Target, Limit: b.Concurrency, Timeout: b.Values.Timeout}
}

// Lost is nil: the daemon is watched for the whole of the run, which ends when it is lost.
func (s *solving) Lost() <-chan struct{} { return nil }

// Do solves a build, or goes ahead with a step of it.
func (s *solving) Do(ctx context.Context, unit, attempt int) error {
	if unit >= len(s.builds) {
		s.prime(ctx, s.primers[unit-len(s.builds)])
		return nil
	}
	b := s.builds[unit]
	if p := s.leads[b]; p != nil && p.err != nil && attempt == 0 {
		return p.err
	}
	var err error
	if b.alone() {
		err = s.run.solveAlone(ctx, b)
	} else {
		_, err = s.gc.Solve(ctx, s.run.solveRequest(b))
	}
	if b.Values.Timeout > 0 && grpcerrors.Code(err) == codes.DeadlineExceeded {
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return err
}

// fatal reports whether the run ends although a build is optional.
func (s *solving) fatal(err error) bool {
	var f exec.Failure
	classify(&f, err)
	return f.Kind == exec.DaemonLost && !s.run.opt.KeepGoing
}

func (s *solving) retrying(unit int, _ error, attempt int, pause time.Duration) {
	b := s.builds[unit]
	s.run.remark(fmt.Sprintf("target %s on %s failed; it is tried again in %s (%d of %d)", b.Target, b.Platform, pause, attempt, b.Values.Retries))
}

// ended notes how a build ended.
func (s *solving) ended(o schedule.Outcome) {
	if o.Unit >= len(s.builds) {
		return
	}
	b := s.builds[o.Unit]
	switch o.State {
	case schedule.Done:
		return
	case schedule.Skipped:
		d := s.builds[o.Cause]
		b.solveErr = &linkError{order: true, link: d, err: errors.Join(d.err, d.solveErr)}
	case schedule.Canceled:
		if b.solveErr = o.Err; o.Attempts == 0 {
			return // it says nothing about the build
		}
	default:
		b.solveErr = o.Err
	}
	if b.err != nil {
		return // it was noted when the build was converted
	}
	if err := s.run.note(s.ctx, b, b.solveErr); err != nil {
		s.err = err
		s.stop()
	}
}
