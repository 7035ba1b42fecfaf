package buildkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/util/disk"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/internal/lazyre"
	"github.com/xbuild/xbuild/plan"
)

// OwnStore is the store of a daemon that is the program's own.
type OwnStore struct {
	// Dir is on the store's disk.
	Dir string
	// Release gives back a part of the disk that was set aside, so that things can be removed when nothing else is free.
	// Reserve sets it aside again.
	Release, Reserve func()
}

// Run executes the plan; see the package documentation. The result tells how each build was solved, also after a
// failure. The error is the context's if that ended the run, else one or more *exec.Failure. If the disk of a store that is
// the run's own was full, what the store keeps and nothing uses is removed, and the plan is executed once more.
func (b *Backend) Run(ctx context.Context, p *plan.Plan, opt exec.Options, emit func(exec.Event)) (*exec.Result, error) {
	res, err := b.runOnce(ctx, p, opt, emit)
	if err == nil || ctx.Err() != nil || b.opt.OwnStore == nil || !ranOutOfSpace(err, full(b.opt.OwnStore.Dir)) {
		return res, err
	}
	removed, pruneErr := b.Prune(ctx, PruneOptions{All: true})
	var size int64
	for _, e := range removed {
		size += e.Size
	}
	if pruneErr != nil || size == 0 {
		return res, err
	}
	if emit != nil {
		emit(exec.Event{Type: exec.Message, Time: time.Now(), Name: fmt.Sprintf("the disk is full; %s of cache were removed from %s, and everything is tried once more",
			units.HumanSize(float64(size)), b.opt.OwnStore.Dir)})
	}
	return b.runOnce(ctx, p, opt, emit)
}

var noSpace = lazyre.New(`(?i)no space left on device`)

// ranOutOfSpace reports whether something failed since the store's disk is full, as it still can be seen to be or not:
// what failed may have let go of its space already. A step fails for its own reasons, and an output may be on another disk.
func ranOutOfSpace(err error, full bool) bool {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(list.Unwrap(), func(e error) bool { return ranOutOfSpace(e, full) })
	}
	var f *exec.Failure
	if !errors.As(err, &f) {
		return false
	}
	var output *fullOutput
	switch f.Kind {
	case exec.OutputFailed:
		return full && errors.As(err, &output) // it may be the same disk
	case exec.DiskFull:
		return full || f.Step != ""
	case exec.StepFailed:
		return full && slices.ContainsFunc(f.Log, noSpace().MatchString)
	}
	return false
}

// fullShare is the part of a disk that must be free, or it counts as full.
const fullShare = 20

func full(dir string) bool {
	st, err := disk.GetDiskStat(dir)
	return err == nil && st.Available < st.Total/fullShare
}
