// Package exectest has what tests use in place of BuildKit: a [Backend] that plays a list of steps, and a [Session] of a schedule that
// follows rules about what fails, hangs or is lost.
package exectest

import (
	"context"
	"fmt"
	"time"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
	"github.com/xbuild/xbuild/schema"
)

// Step is one step that the backend plays: started, then done.
type Step struct {
	Stages []string
	Cached bool
	Err    string
}

// Backend plays Steps and returns Result and Err. With Block it then waits for the context to end. Started, if not nil, is closed
// when the run begins.
type Backend struct {
	Steps   []Step
	Err     error
	Result  exec.Result
	Block   bool
	Started chan struct{}
}

var _ exec.Backend = (*Backend)(nil)

// Node is a linux/amd64 node without emulators.
func (b *Backend) Node(context.Context) (plan.NodeFact, error) {
	return plan.NodeFact{Name: "fake", Platforms: []schema.Platform{schema.MustPlatform("linux/amd64")}}, nil
}

// Images knows nothing of any image.
func (b *Backend) Images(context.Context, []string) (map[string]plan.Image, error) { return nil, nil }

// Run plays the steps.
func (b *Backend) Run(ctx context.Context, _ *plan.Plan, _ exec.Options, emit func(exec.Event)) (*exec.Result, error) {
	if b.Started != nil {
		close(b.Started)
	}
	now := time.Unix(0, 0)
	for i, s := range b.Steps {
		id := fmt.Sprint("step", i)
		emit(exec.Event{Type: exec.StepStarted, Time: now, Step: id, Stages: s.Stages})
		now = now.Add(time.Second)
		emit(exec.Event{Type: exec.StepDone, Time: now, Step: id, Stages: s.Stages, Cached: s.Cached, Err: s.Err})
	}
	if b.Block {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return &b.Result, b.Err
}

// Call answers nothing.
func (b *Backend) Call(context.Context, *plan.Plan, exec.Options) ([]exec.Answer, error) {
	return nil, nil
}

// Close does nothing.
func (b *Backend) Close() error { return nil }
