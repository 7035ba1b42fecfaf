package exectest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/xbuild/xbuild/exec/schedule"
)

// Fault is what happens to a unit on a [Session] in place of success.
type Fault int

// The faults.
const (
	None   Fault = iota
	Fails        // the attempt ends with Rule.Err
	Loses        // the node is lost, and the attempt ends with a LostError
	Dies         // the node is lost, and the attempt does not end before Session.Thaw
	Hangs        // the attempt does not end before its context does
	Fatals       // the attempt ends with an error that wraps ErrFatal
)

// ErrFatal is the error of a run that cannot go on, whoever meets it.
var ErrFatal = errors.New("fatal")

// Rule says what happens to attempts. The first one that matches counts; without one an attempt succeeds at once.
type Rule struct {
	Unit     int // -1 matches all
	Attempts int // matches attempts below it; 0 matches all
	Takes    time.Duration
	Fault    Fault
	Err      error
}

// Session is a node of tests: it does nothing but what its rules say, and keeps a list of the calls.
type Session struct {
	Rules []Rule
	// Began is called when an attempt begins, and Over when it ends. Either may be nil.
	Began, Over func(unit int)

	mu    sync.Mutex
	calls []string
	once  sync.Once
	lost  chan struct{}
	thaw  chan struct{}
}

var _ schedule.Session = (*Session)(nil)

// NewSession makes a session with rules.
func NewSession(rules ...Rule) *Session {
	return &Session{Rules: rules, lost: make(chan struct{}), thaw: make(chan struct{})}
}

// Lose makes the node lost.
func (s *Session) Lose() { s.once.Do(func() { close(s.lost) }) }

// Thaw ends the attempts that died with the node.
func (s *Session) Thaw() { close(s.thaw) }

// Lost is closed when the node is lost.
func (s *Session) Lost() <-chan struct{} { return s.lost }

// Calls are the attempts that began, as UNIT/ATTEMPT.
func (s *Session) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Do follows the rules.
func (s *Session) Do(ctx context.Context, unit, attempt int) error {
	s.mu.Lock()
	s.calls = append(s.calls, fmt.Sprintf("%d/%d", unit, attempt))
	s.mu.Unlock()
	if s.Began != nil {
		s.Began(unit)
	}
	if s.Over != nil {
		defer s.Over(unit)
	}
	i := slices.IndexFunc(s.Rules, func(r Rule) bool {
		return (r.Unit < 0 || r.Unit == unit) && (r.Attempts == 0 || attempt < r.Attempts)
	})
	if i < 0 {
		return ctx.Err()
	}
	r := s.Rules[i]
	select {
	case <-time.After(r.Takes):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch r.Fault {
	case Fails:
		return r.Err
	case Fatals:
		return fmt.Errorf("unit %d: %w", unit, ErrFatal)
	case Loses:
		s.Lose()
		return &schedule.LostError{Err: fmt.Errorf("lost with unit %d", unit)}
	case Dies:
		s.Lose()
		<-s.thaw
		return errors.New("too late")
	case Hangs:
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}
