package buildkit

import (
	"context"

	"github.com/xbuild/xbuild/exec"
	"github.com/xbuild/xbuild/plan"
)

// Refuses returns the failure with which a run of the plan would end before anything is built, since the daemon or a Docker
// Engine cannot hold what it makes. It is nil if there is none.
func (b *Backend) Refuses(ctx context.Context, p *plan.Plan) error {
	r := &run{Backend: b, plan: p, files: map[*plan.Dockerfile]*sourceFile{}, emit: func(exec.Event) {}}
	var err error
	if r.builds, err = r.makeBuilds(p); err != nil {
		return err
	}
	r.exports = r.listExports()
	return r.checkExports(ctx)
}
