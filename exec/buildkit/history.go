package buildkit

import (
	"slices"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
)

// buildName is the attribute that docker buildx history takes the name of a record from.
const buildName = "build-arg:BUILDKIT_BUILD_NAME"

// outputOpt are the options of a request that makes an image or an archive, of which the daemon keeps a record if the run wants
// that. Everything else that a run asks for is not recorded, local files neither: one request makes those of all targets.
func (r *run) outputOpt(title string, builds ...*build) client.SolveOpt {
	opt := r.solveOpt(builds...)
	if r.recorded(builds...) {
		opt.Internal, opt.FrontendAttrs[buildName] = false, title
	}
	return opt
}

// recorded reports whether the daemon shall keep a record of an output. A record has the log, where a secret may stand. What
// [run.recordAll] asks for has a record anyway.
func (r *run) recorded(builds ...*build) bool {
	return r.opt.History && r.opt.Provenance == "" && !slices.ContainsFunc(builds, (*build).hasSecrets)
}

// exported is the definition of a build for a request that makes an output, with the user's text if the daemon keeps that: in a
// record, or in what it attests.
func (r *run) exported(b *build) *pb.Definition {
	def := b.def.ToPB()
	if r.recorded(b) || r.opt.Provenance != "" || b.attestations() != nil {
		def.Source = b.source
	}
	return def
}
